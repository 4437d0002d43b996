//! Complaints, gathered, so that a user sees all of them in one compilation.

use std::fmt::Display;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::Error;

/// The complaints about one item; none yet by default.
#[derive(Default)]
pub(crate) struct Refusals(Option<Error>);

impl Refusals {
    /// Adds a complaint that points at `tokens`.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.add(Error::new_spanned(tokens, message));
    }

    /// Adds an error found elsewhere.
    pub(crate) fn add(&mut self, error: Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            None => self.0 = Some(error),
        }
    }

    /// The value, or `None` and its error added.
    pub(crate) fn keep<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.add(error)).ok()
    }

    /// `value`, if nothing was refused.
    pub(crate) fn unless_any<T>(self, value: T) -> syn::Result<T> {
        match self.0 {
            Some(error) => Err(error),
            None => Ok(value),
        }
    }

    /// One `compile_error!` a complaint.
    pub(crate) fn into_tokens(self) -> TokenStream {
        self.0.map(Error::into_compile_error).unwrap_or_default()
    }
}

/// The messages of an expansion's `compile_error!`s, in order; none if it is clean.
#[cfg(test)]
pub(crate) fn messages(expansion: &TokenStream) -> Vec<String> {
    let tokens: Vec<_> = expansion.clone().into_iter().collect();
    tokens
        .windows(3)
        .filter(|three| three[0].to_string() == "compile_error" && three[1].to_string() == "!")
        .filter_map(|three| match &three[2] {
            proc_macro2::TokenTree::Group(group) => syn::parse2::<syn::LitStr>(group.stream()).ok(),
            _ => None,
        })
        .map(|text| text.value())
        .collect()
}
