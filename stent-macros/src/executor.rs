//! Where the executor is found: the option `crate = path` that both macros take.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
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

/// The path, reported at `span`: an error in what it begins then points there.
pub(crate) fn at(path: &Path, span: Span) -> TokenStream {
    let tokens = path.to_token_stream().into_iter();
    tokens
        .map(|mut token| {
            token.set_span(token.span().located_at(span));
            token
        })
        .collect()
}
