//! Where the executor is found: the option `crate = path` that both macros take.

use syn::parse::{Parse, ParseStream};
use syn::{LitStr, Path};

/// A path, or one in a text as serde takes it.
pub(crate) fn path(input: ParseStream<'_>) -> syn::Result<Path> {
    if input.peek(LitStr) { input.parse::<LitStr>()?.parse() } else { Path::parse(input) }
}

/// The path given, or the crate by its own name.
pub(crate) fn or_default(path: Option<&Path>) -> Path {
    path.cloned().unwrap_or_else(|| syn::parse_quote!(::stent_executor))
}
