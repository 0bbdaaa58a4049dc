"""The paper's tables and one's own: data, filled by trainings and measurements."""
