"""What a reader is judged by: pure functions, arrays and strings in, numbers out.

Boxes are float (N, 4), `[x1, y1, x2, y2]` in pixels. A figure that does not exist, such as a recall where there is
nothing to find, is nan.
"""

from digits.core.lazy import lazy_names

_PUBLIC = {
    "overlaps": "digits.metrics.detection",
    "best_overlaps": "digits.metrics.detection",
    "coco_scores": "digits.metrics.detection",
    "match_digits": "digits.metrics.detection",
    "mean_average_precision": "digits.metrics.detection",
    "false_alarms": "digits.metrics.detection",
    "false_alarm_curve": "digits.metrics.detection",
    "exact_accuracy": "digits.metrics.transcription",
    "length_accuracy": "digits.metrics.transcription",
    "digit_accuracy": "digits.metrics.transcription",
    "edit_distance": "digits.metrics.transcription",
    "character_error_rate": "digits.metrics.transcription",
    "confusion_matrix": "digits.metrics.transcription",
    "class_scores": "digits.metrics.transcription",
    "accuracy_coverage": "digits.metrics.confidence",
    "coverage_at_accuracy": "digits.metrics.confidence",
    "kept_at": "digits.metrics.confidence",
    "reliability": "digits.metrics.confidence",
    "expected_calibration_error": "digits.metrics.confidence",
    "judge": "digits.metrics.end_to_end",
    "all_digits_right": "digits.metrics.end_to_end",
    "paired_count": "digits.metrics.end_to_end",
    "precision_recall_f1": "digits.metrics.end_to_end",
    "paired_bootstrap": "digits.metrics.significance",
    "mcnemar": "digits.metrics.significance",
    "verdict": "digits.metrics.significance",
    "wilson_interval": "digits.metrics.significance",
}

__all__ = list(_PUBLIC)
__getattr__, __dir__ = lazy_names(__name__, _PUBLIC)
