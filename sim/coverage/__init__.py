"""Coverage: what the benches have reached of the RTL."""
