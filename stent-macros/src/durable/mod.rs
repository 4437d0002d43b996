//! `#[durable]`, in the order of the data: `options` and `signature` read what the user wrote, `expand` writes the two items,
//! `definition` the options among them.

mod attributes;
mod definition;
mod expand;
mod literal;
mod options;
mod retry;
mod signature;
#[cfg(test)]
mod tests;
mod types;

use proc_macro2::TokenStream;
use quote::quote;

use options::Options;
use signature::Function;

/// The expansion, with every complaint about the options and the function beside it.
///
/// Wrong options alone still give both items, so that calls of the function raise no errors of their own.
pub(crate) fn durable(options: TokenStream, item: TokenStream) -> TokenStream {
    let (options, mut refusals) = Options::read(options);
    let items = match Function::read(item) {
        Ok(function) => expand::expand(&function, &options),
        Err(error) => {
            refusals.add(error);
            TokenStream::new()
        }
    };
    let errors = refusals.into_tokens();
    quote! { #errors #items }
}
