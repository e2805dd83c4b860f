"""The exceptions of this library. Each message names the file and says what to do."""


class DigitsError(Exception):
    """Base of all errors below; the command prints it on one line and exits with code 2."""


class ImageError(DigitsError, ValueError):
    """An image that cannot be read: missing, truncated, too large or not an image."""


class WeightsError(DigitsError, ValueError):
    """A weights file that is missing, damaged or of another architecture."""


class DatasetError(DigitsError, ValueError):
    """Training or evaluation data that are missing or malformed."""


class PredictionsError(DigitsError, ValueError):
    """Predictions, or an evaluation report, that are malformed or of other pictures."""


class ConfigError(DigitsError, ValueError):
    """A training configuration with invalid keys or values."""


class TrainingError(DigitsError, ArithmeticError):
    """A training run that cannot continue."""


class Diverged(TrainingError):
    """Loss or gradient became NaN or infinite."""


class DeviceError(DigitsError, ValueError):
    """A compute device or backend that is not available."""


def reason(error: Exception) -> str:
    """The message of an error of the system or of another library, to be put into a line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return (str(error) or type(error).__name__).splitlines()[0]
