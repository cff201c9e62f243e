"""What a run that trains is watched for: layers that collapse, dead neurons, NaN, stalled exploration, divergence."""
