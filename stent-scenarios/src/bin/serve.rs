//! `serve DIRECTORY LEASE GRACE`: a worker on the database of a directory.

use std::path::Path;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, directory, lease, grace] = arguments.as_slice() else {
        eprintln!("usage: serve DIRECTORY LEASE GRACE");
        return ExitCode::from(2);
    };
    stent_scenarios::serve::serve(Path::new(directory), lease, grace).await.unwrap_or_else(|failure| {
        eprintln!("{failure}");
        ExitCode::FAILURE
    })
}
