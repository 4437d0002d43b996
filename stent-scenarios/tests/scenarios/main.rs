//! Six programs as users write them, with their outcomes, at worker concurrency 1, 2 and 20.

// So that the lints see that all of it is tests.
#[cfg(test)]
mod batch_processing;
#[cfg(test)]
mod failing_flow;
#[cfg(test)]
mod media_pipeline;
#[cfg(test)]
mod research_agent;
#[cfg(test)]
mod saga_trip_booking;
#[cfg(test)]
mod simple_flow;
