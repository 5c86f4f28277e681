"""The likely cause of a difference: what people do wrong, tried one by one, and said where it explains everything."""
