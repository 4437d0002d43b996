//! The values of options: texts, lists of texts, counts, numbers. Each reader takes `= value` and, where something else is
//! written, says how the option is written.

use proc_macro2::{Literal, TokenStream, TokenTree};
use quote::quote;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Ident, Lit, LitInt, LitStr, Token, bracketed};

use crate::refusal::Refusals;

/// An option's name and how it is written, for messages.
pub(super) type Form = (&'static str, &'static str);

/// Gives every option of a comma-separated list to `take`, goes on behind the next comma after an error, and refuses
/// options that are unknown or given twice.
pub(super) fn each(
    input: ParseStream<'_>,
    forms: &[Form],
    refusals: &mut Refusals,
    mut take: impl FnMut(&Ident, &'static str, ParseStream<'_>, &mut Refusals) -> syn::Result<()>,
) {
    let mut seen: Vec<Ident> = Vec::new();
    while !input.is_empty() {
        if let Err(error) = one(input, forms, &mut seen, refusals, &mut take) {
            refusals.add(error);
            skip_to_comma(input);
        }
        if input.parse::<Option<Token![,]>>().is_err() {
            return;
        }
    }
}

fn one(
    input: ParseStream<'_>,
    forms: &[Form],
    seen: &mut Vec<Ident>,
    refusals: &mut Refusals,
    take: &mut impl FnMut(&Ident, &'static str, ParseStream<'_>, &mut Refusals) -> syn::Result<()>,
) -> syn::Result<()> {
    let name = Ident::parse_any(input)
        .map_err(|error| Error::new(error.span(), format!("name an option here: {}", list(forms))))?;
    let Some((_, form)) = forms.iter().find(|(known, _)| name == known) else {
        return Err(Error::new(name.span(), format!("unknown option `{name}`; the options here are {}", list(forms))));
    };
    if seen.contains(&name) {
        return Err(Error::new(name.span(), format!("`{name}` is given twice: keep one")));
    }
    seen.push(name.clone());
    take(&name, form, input, refusals)?;
    if input.is_empty() || input.peek(Token![,]) {
        Ok(())
    } else {
        Err(Error::new(input.span(), "put a comma between two options"))
    }
}

fn skip_to_comma(input: ParseStream<'_>) {
    while !input.is_empty() && !input.peek(Token![,]) {
        if input.parse::<TokenTree>().is_err() {
            return;
        }
    }
}

fn list(forms: &[Form]) -> String {
    forms.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// What stands behind `name =`, read by `read`.
pub(super) fn value<T>(
    name: &Ident,
    form: &str,
    input: ParseStream<'_>,
    read: impl FnOnce(ParseStream<'_>) -> syn::Result<T>,
) -> syn::Result<T> {
    if input.parse::<Token![=]>().is_err() {
        return Err(misspelt(name, form));
    }
    let at = input.span();
    let bare = input.is_empty();
    read(input).map_err(|_| if bare { misspelt(name, form) } else { Error::new(at, format!("write `{form}`")) })
}

/// `name` is not written as `form`.
pub(super) fn misspelt(name: &Ident, form: &str) -> Error {
    Error::new(name.span(), format!("write `{form}`"))
}

/// A text that is not empty.
pub(super) fn text(name: &Ident, form: &str, input: ParseStream<'_>) -> syn::Result<LitStr> {
    let text = value(name, form, input, <LitStr as Parse>::parse)?;
    not_empty(name, text)
}

/// One text, or a list of at least one, none of them empty.
pub(super) fn texts(name: &Ident, form: &str, input: ParseStream<'_>) -> syn::Result<Vec<LitStr>> {
    let texts = value(name, form, input, |input| {
        if input.peek(LitStr) {
            return Ok(vec![input.parse()?]);
        }
        let content;
        bracketed!(content in input);
        let texts = content.parse_terminated(<LitStr as Parse>::parse, Token![,])?;
        Ok(texts.into_iter().collect::<Vec<_>>())
    })?;
    if texts.is_empty() {
        return Err(Error::new(name.span(), format!("`{name}` names nothing: leave it out, or write `{form}`")));
    }
    texts.into_iter().map(|text| not_empty(name, text)).collect()
}

fn not_empty(name: &Ident, text: LitStr) -> syn::Result<LitStr> {
    if text.value().trim().is_empty() {
        return Err(Error::new(text.span(), format!("`{name}` is empty: leave it out or fill it in")));
    }
    Ok(text)
}

/// A whole number of at least 1, unsuffixed; `zero` says what to write instead of 0.
pub(super) fn count(name: &Ident, form: &str, zero: &str, input: ParseStream<'_>) -> syn::Result<(u32, LitInt)> {
    let literal = value(name, form, input, <LitInt as Parse>::parse)?;
    match literal.base10_parse::<u32>() {
        Ok(0) => Err(Error::new(literal.span(), zero)),
        Ok(count) => Ok((count, literal)),
        Err(_) => Err(Error::new(literal.span(), format!("`{name}` is a whole number from 1 to {}", u32::MAX))),
    }
}

/// A whole number, negative or not, as the tokens of an unsuffixed literal.
pub(super) fn whole(name: &Ident, form: &str, input: ParseStream<'_>) -> syn::Result<TokenStream> {
    let literal = value(name, form, input, <LitInt as Parse>::parse)?;
    let number: i32 = literal.base10_parse().map_err(|_| {
        Error::new(literal.span(), format!("`{name}` is a whole number from {} to {}", i32::MIN, i32::MAX))
    })?;
    let mut size = Literal::u32_unsuffixed(number.unsigned_abs());
    size.set_span(literal.span());
    Ok(if number < 0 { quote!(-#size) } else { quote!(#size) })
}

/// A number that `fits`, written with or without a point, as an `f64` literal.
pub(super) fn number(
    name: &Ident,
    form: &str,
    bounds: &str,
    fits: impl FnOnce(f64) -> bool,
    input: ParseStream<'_>,
) -> syn::Result<Literal> {
    let literal = value(name, form, input, |input| match input.parse::<Lit>()? {
        literal @ (Lit::Float(_) | Lit::Int(_)) => Ok(literal),
        other => Err(Error::new(other.span(), form)),
    })?;
    let number = match &literal {
        Lit::Float(float) => float.base10_parse::<f64>(),
        Lit::Int(int) => int.base10_parse::<f64>(),
        other => Err(Error::new(other.span(), form)),
    };
    match number {
        Ok(number) if number.is_finite() && number >= 0.0 && fits(number) => {
            let mut tokens = Literal::f64_suffixed(number);
            tokens.set_span(literal.span());
            Ok(tokens)
        }
        _ => Err(Error::new(literal.span(), format!("`{name}` is a number {bounds}"))),
    }
}
