//! What writing durable functions takes: `use stent_executor::prelude::*;`.

pub use crate::{
    Call, Ctx, ErrorClass, Failure, IntoFailure, Result, RetryPolicy, bail, durable, functions, join, select, try_join,
};
