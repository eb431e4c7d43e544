"""Diagnosis: where a conversion loses the network's accuracy, and what to change."""

from respike.diagnosis.diagnosing import diagnose
from respike.diagnosis.result import Comparison, Diagnosis, Finding, Layer, Score

__all__ = ["Comparison", "Diagnosis", "Finding", "Layer", "Score", "diagnose"]
