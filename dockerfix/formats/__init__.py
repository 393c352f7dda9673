"""Host formats: scalars as projections. They know nothing of builds; import the module you need."""
