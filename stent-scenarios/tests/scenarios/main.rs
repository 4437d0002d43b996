//! Six programs as users write them, with their outcomes, at worker concurrency 1, 2 and 20.

mod simple_flow;
