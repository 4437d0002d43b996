//! Six programs as users write them, with their outcomes, at worker concurrency 1, 2 and 20.

mod batch_processing;
mod failing_flow;
mod media_pipeline;
mod research_agent;
mod saga_trip_booking;
mod simple_flow;
