"""The final model: exported, admitted, and asked for predictions."""
