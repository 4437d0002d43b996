//! Client and worker together, on a store in memory and a clock that is moved by hand.

mod bench;
mod claims;
mod client;
mod life;
