"""The process model: soil, emission, consumption, and the traits that no map shows."""
