"""The demo's synthetic datasets: scenes drawn in integer arithmetic, packed as the official archives."""
