//! The option `retry(…)`.

use proc_macro2::{Literal, TokenStream};
use quote::quote;
use syn::parse::ParseStream;
use syn::{Error, Ident, LitStr, Path, parenthesized};

use super::definition::{duration, optional, texts};
use super::literal::{self, Form};
use crate::refusal::Refusals;

const FORMS: &[Form] = &[
    ("max_attempts", "max_attempts = 5"),
    ("initial_delay", "initial_delay = \"1s\""),
    ("factor", "factor = 2.0"),
    ("max_delay", "max_delay = \"60s\""),
    ("jitter", "jitter = 0.1"),
    ("retry_for", "retry_for = [\"Timeout\", \"Connection\"]"),
    ("on_retry", "on_retry = \"resume\""),
];

/// What the user says of the retry policy; what is `None` stays at the executor's default.
#[derive(Default)]
pub(super) struct Retry {
    max_attempts: Option<Literal>,
    initial_delay: Option<LitStr>,
    factor: Option<Literal>,
    max_delay: Option<LitStr>,
    jitter: Option<Literal>,
    retry_for: Option<Vec<LitStr>>,
    on_retry: Option<LitStr>,
}

impl Retry {
    /// Reads `(max_attempts = 5, …)` behind `name`.
    pub(super) fn read(name: &Ident, form: &str, input: ParseStream<'_>, refusals: &mut Refusals) -> syn::Result<Self> {
        if !input.peek(syn::token::Paren) {
            return Err(literal::misspelt(name, form));
        }
        let content;
        parenthesized!(content in input);
        let mut retry = Self::default();
        literal::each(&content, FORMS, refusals, |name, form, input, _| retry.take(name, form, input));
        Ok(retry)
    }

    fn take(&mut self, name: &Ident, form: &str, input: ParseStream<'_>) -> syn::Result<()> {
        match name.to_string().as_str() {
            "max_attempts" => {
                let zero = "`max_attempts = 0` would never run: write 1 to run without a retry";
                let (count, literal) = literal::count(name, form, zero, input)?;
                let mut tokens = Literal::u32_suffixed(count);
                tokens.set_span(literal.span());
                self.max_attempts = Some(tokens);
            }
            "initial_delay" => self.initial_delay = Some(literal::text(name, form, input)?),
            "factor" => self.factor = Some(literal::number(name, form, "of at least 0", |_| true, input)?),
            "max_delay" => self.max_delay = Some(literal::text(name, form, input)?),
            "jitter" => self.jitter = Some(literal::number(name, form, "from 0 to 1", |jitter| jitter <= 1.0, input)?),
            "retry_for" => self.retry_for = Some(literal::texts(name, form, input)?),
            _ => self.on_retry = Some(on_retry(literal::text(name, form, input)?)?),
        }
        Ok(())
    }

    /// The expression of type `RetryOptions`.
    pub(super) fn tokens(&self, executor: &Path) -> TokenStream {
        let max_attempts = optional(self.max_attempts.as_ref());
        let initial_delay = optional(self.initial_delay.as_ref().map(|text| duration(executor, text)));
        let factor = optional(self.factor.as_ref());
        let max_delay = optional(self.max_delay.as_ref().map(|text| duration(executor, text)));
        let jitter = optional(self.jitter.as_ref());
        let retry_for = optional(self.retry_for.as_deref().map(texts));
        let on_retry = optional(self.on_retry.as_ref());
        quote! {
            #executor::__private::RetryOptions {
                max_attempts: #max_attempts,
                initial_delay: #initial_delay,
                factor: #factor,
                max_delay: #max_delay,
                jitter: #jitter,
                retry_for: #retry_for,
                on_retry: #on_retry,
            }
        }
    }
}

fn on_retry(text: LitStr) -> syn::Result<LitStr> {
    match text.value().as_str() {
        "resume" | "restart" => Ok(text),
        other => Err(Error::new(
            text.span(),
            format!(
                "`on_retry = \"{other}\"`: write \"resume\" to go on from what failed or \"restart\" to begin anew, or leave it \
                 out, and a function that made operations fails for good"
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::super::options::Options;
    use crate::refusal::messages;

    fn refused(options: proc_macro2::TokenStream) -> Vec<String> {
        messages(&Options::read(options).1.into_tokens())
    }

    #[test]
    fn a_number_out_of_its_bounds_is_refused_with_the_bounds() {
        let found = refused(quote!(retry(max_attempts = 0, factor = -1, jitter = 1.5, max_delay = 5)));
        assert_eq!(
            found,
            [
                "`max_attempts = 0` would never run: write 1 to run without a retry",
                "`factor` is a number of at least 0",
                "`jitter` is a number from 0 to 1",
                "write `max_delay = \"60s\"`",
            ]
        );
    }

    #[test]
    fn on_retry_is_resume_or_restart() {
        let found = refused(quote!(retry(on_retry = "again")));
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("`on_retry = \"again\"`: write \"resume\""), "{}", found[0]);
        assert!(refused(quote!(retry(on_retry = "restart"))).is_empty());
    }

    #[test]
    fn an_unknown_option_of_retry_names_the_known_ones() {
        let found = refused(quote!(retry(attempts = 3)));
        assert!(
            found[0].starts_with("unknown option `attempts`; the options here are `max_attempts`, "),
            "{}",
            found[0]
        );
    }

    #[test]
    fn an_empty_list_of_classes_is_refused() {
        let found = refused(quote!(retry(retry_for = [])));
        assert!(found[0].starts_with("`retry_for` names nothing"), "{}", found[0]);
    }

    #[test]
    fn retry_without_its_list_is_refused() {
        assert_eq!(refused(quote!(retry = 5)), ["write `retry(max_attempts = 5)`"]);
    }
}
