"""What a run that trains is watched for: layers that collapse, dead outputs, NaN, stalled exploration, divergence."""
