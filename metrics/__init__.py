"""Metrics of detection, recognition and the whole chain: pure functions from arrays and strings to numbers.

Boxes are float (N, 4), `[x1, y1, x2, y2]` in pixels. An undefined figure, such as a recall where there is
nothing to find, is nan.
"""

from typing import TYPE_CHECKING

from digits.core.lazy import lazy_names

if TYPE_CHECKING:  # the same names, for type checkers and editors
    from digits.metrics.confidence import accuracy_coverage as accuracy_coverage
    from digits.metrics.confidence import coverage_at_accuracy as coverage_at_accuracy
    from digits.metrics.confidence import expected_calibration_error as expected_calibration_error
    from digits.metrics.confidence import kept_at as kept_at
    from digits.metrics.confidence import reliability as reliability
    from digits.metrics.detection import best_overlaps as best_overlaps
    from digits.metrics.detection import coco_scores as coco_scores
    from digits.metrics.detection import false_alarm_curve as false_alarm_curve
    from digits.metrics.detection import false_alarms as false_alarms
    from digits.metrics.detection import match_digits as match_digits
    from digits.metrics.detection import mean_average_precision as mean_average_precision
    from digits.metrics.detection import overlaps as overlaps
    from digits.metrics.end_to_end import all_digits_right as all_digits_right
    from digits.metrics.end_to_end import judge as judge
    from digits.metrics.end_to_end import paired_count as paired_count
    from digits.metrics.end_to_end import precision_recall_f1 as precision_recall_f1
    from digits.metrics.significance import mcnemar as mcnemar
    from digits.metrics.significance import paired_bootstrap as paired_bootstrap
    from digits.metrics.significance import verdict as verdict
    from digits.metrics.significance import wilson_interval as wilson_interval
    from digits.metrics.transcription import character_error_rate as character_error_rate
    from digits.metrics.transcription import class_scores as class_scores
    from digits.metrics.transcription import confusion_matrix as confusion_matrix
    from digits.metrics.transcription import digit_accuracy as digit_accuracy
    from digits.metrics.transcription import edit_distance as edit_distance
    from digits.metrics.transcription import exact_accuracy as exact_accuracy
    from digits.metrics.transcription import length_accuracy as length_accuracy

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
