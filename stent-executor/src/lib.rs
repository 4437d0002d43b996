//! stent-executor
