//! The options as the expression that makes a `FunctionDefinition`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Ident, LitStr, Path};

use super::expand::at;
use super::options::{Memo, Options};
use crate::executor;

/// `FunctionDefinition::new(…)` with one call for each option given.
pub(super) fn definition(name: &Ident, options: &Options, executor: &Path) -> TokenStream {
    let stored = match &options.name {
        Some(pinned) => pinned.to_token_stream(),
        None => {
            let name = name.unraw().to_string();
            quote!(::std::concat!(::std::module_path!(), "::", #name))
        }
    };
    let mut calls = TokenStream::new();
    let mut call = |method: &str, argument: TokenStream| {
        let method = Ident::new(method, proc_macro2::Span::call_site());
        calls.extend(quote!(.#method(#argument)));
    };
    if let Some(version) = &options.version {
        call("version", quote!(#version));
    }
    for alias in &options.aliases {
        call("alias", quote!(#alias));
    }
    if let Some(queue) = &options.queue {
        call("queue", quote!(#queue));
    }
    if !options.tags.is_empty() {
        call("tags", texts(&options.tags));
    }
    if let Some(priority) = &options.priority {
        call("priority", quote!(#priority));
    }
    if let Some(count) = &options.max_concurrent {
        call("max_concurrent", quote!(#count));
    }
    if let Some(text) = &options.max_duration {
        call("max_duration", duration(executor, text));
    }
    if let Some(retry) = &options.retry {
        call("retry", retry.tokens(executor));
    }
    match &options.memo {
        Some(Memo::Cached { ttl }) => call("cached", optional(ttl.as_ref().map(|text| duration(executor, text)))),
        Some(Memo::Idempotent) => call("idempotent", TokenStream::new()),
        None => {}
    }
    call("located", quote!(::std::file!(), ::std::line!()));
    quote!(#executor::FunctionDefinition::new(#stored) #calls)
}

/// A duration parsed while compiling; a bad text is an error at the text.
///
/// An item, because `cargo check` evaluates those and leaves const blocks to code generation.
pub(super) fn duration(executor: &Path, text: &LitStr) -> TokenStream {
    let executor = executor::at(executor, text.span());
    quote_spanned! {at(text.span())=> {
        const DURATION: ::std::time::Duration = #executor::__private::duration(#text);
        DURATION
    }}
}

/// `&["…", "…"]`
pub(super) fn texts(texts: &[LitStr]) -> TokenStream {
    quote!(&[#(#texts),*])
}

/// `Some(…)` or `None`, by their full paths.
pub(super) fn optional(tokens: Option<impl ToTokens>) -> TokenStream {
    match tokens {
        Some(tokens) => quote!(::std::option::Option::Some(#tokens)),
        None => quote!(::std::option::Option::None),
    }
}
