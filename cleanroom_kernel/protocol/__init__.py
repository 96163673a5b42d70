"""What crosses a border: typed, bounded messages and the channel that carries them. No pickle, no data in an error."""
