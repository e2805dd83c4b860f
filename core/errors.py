"""The exceptions this library raises on purpose. Each message names the file and says what to do."""


class DigitsError(Exception):
    """Base of all errors below; the command line prints it on one line and ends with code 2."""


class ImageError(DigitsError, ValueError):
    """A photograph that cannot be read: missing, truncated, too large, not an image."""


class WeightsError(DigitsError, ValueError):
    """A weights file that is missing, damaged, or made for another architecture."""


class DatasetError(DigitsError, ValueError):
    """Training or measuring data that is missing or malformed."""


class PredictionsError(DigitsError, ValueError):
    """Predictions, or a report made of them, that are malformed or of other pictures."""


class ConfigError(DigitsError, ValueError):
    """A training configuration with keys or values that cannot be."""


class TrainingError(DigitsError, ArithmeticError):
    """A training run that cannot go on."""


class Diverged(TrainingError):
    """A training run whose loss or gradient is no number any more."""


class DeviceError(DigitsError, ValueError):
    """A compute device or a backend that is not here."""


def reason(error: Exception) -> str:
    """What an error of the system, or of another library, says, for use within a line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return (str(error) or type(error).__name__).splitlines()[0]
