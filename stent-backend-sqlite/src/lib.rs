//! stent-backend-sqlite
