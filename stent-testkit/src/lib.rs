//! stent-testkit
