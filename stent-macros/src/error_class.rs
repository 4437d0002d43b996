//! `#[derive(ErrorClass)]`: one class a variant, or the type's name for a struct.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Attribute, Data, DataEnum, DeriveInput, Error, Ident, LitStr, Path, Token};

use crate::executor;
use crate::refusal::Refusals;

/// The expansion, or every complaint about the type.
pub(crate) fn error_class(item: TokenStream) -> TokenStream {
    let mut refusals = Refusals::default();
    let Some(item) = refusals.keep(syn::parse2::<DeriveInput>(item)) else {
        return refusals.into_tokens();
    };
    let options = Options::read(&item.attrs, Place::Type, &mut refusals);
    let segment = options.segment(&item.ident);
    let class = match &item.data {
        Data::Struct(_) => quote!(#segment),
        Data::Enum(data) => of_enum(data, &item.ident, &segment, &mut refusals),
        Data::Union(data) => {
            refusals.at(data.union_token, "`ErrorClass` is for enums and structs: a union has no class");
            TokenStream::new()
        }
    };
    let errors = refusals.into_tokens();
    if !errors.is_empty() {
        return errors;
    }
    let path = executor::or_default(options.executor.as_ref());
    let details = options.serialize.then(|| {
        quote! {
            fn details(&self) -> ::std::option::Option<#path::__private::Details> {
                #path::__private::details(self)
            }
        }
    });
    let name = &item.ident;
    let (generics, arguments, clause) = item.generics.split_for_impl();
    quote! {
        #[automatically_derived]
        #[allow(deprecated, reason = "a deprecated variant has a class too")]
        impl #generics #path::ErrorClassed for #name #arguments #clause {
            fn class(&self) -> &'static str {
                #class
            }

            #details
        }
    }
}

fn of_enum(data: &DataEnum, name: &Ident, segment: &str, refusals: &mut Refusals) -> TokenStream {
    if data.variants.is_empty() {
        refusals.at(name, "an enum without variants has no class: add a variant, or remove the derive");
    }
    let arms = data.variants.iter().map(|variant| {
        let options = Options::read(&variant.attrs, Place::Variant, refusals);
        let class = format!("{segment}::{}", options.segment(&variant.ident));
        let variant = &variant.ident;
        quote!(Self::#variant { .. } => #class,)
    });
    quote!(match self { #(#arms)* })
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Type,
    Variant,
}

/// What `#[error_class(…)]` says.
#[derive(Default)]
struct Options {
    name: Option<LitStr>,
    serialize: bool,
    executor: Option<Path>,
}

impl Options {
    fn read(attributes: &[Attribute], place: Place, refusals: &mut Refusals) -> Self {
        let mut options = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("error_class")) {
            let parsed = attribute.parse_args_with(|input: ParseStream<'_>| {
                while !input.is_empty() {
                    options.take(place, input)?;
                    if !input.is_empty() {
                        input.parse::<Token![,]>()?;
                    }
                }
                Ok(())
            });
            refusals.keep(parsed);
        }
        options
    }

    fn take(&mut self, place: Place, input: ParseStream<'_>) -> syn::Result<()> {
        let option = Ident::parse_any(input)?;
        let refuse = |message: String| Err(Error::new(option.span(), message));
        match option.to_string().as_str() {
            "name" if self.name.is_some() => refuse("`name` is given twice: keep one".to_owned()),
            "name" => {
                self.name = Some(name(&option, input)?);
                Ok(())
            }
            "serialize" | "crate" if place == Place::Variant => {
                refuse(format!("`{option}` is of the whole type: write it above the enum"))
            }
            "serialize" => {
                self.serialize = true;
                Ok(())
            }
            "crate" => {
                input.parse::<Token![=]>()?;
                self.executor = Some(executor::path(input)?);
                Ok(())
            }
            other if place == Place::Variant => {
                refuse(format!("unknown option `{other}`; the option of a variant is `name = \"…\"`"))
            }
            other => refuse(format!("unknown option `{other}`; the options here are `name`, `serialize`, `crate`")),
        }
    }

    /// The segment of the class: the name given, or the identifier.
    fn segment(&self, name: &Ident) -> String {
        self.name.as_ref().map_or_else(|| name.unraw().to_string(), LitStr::value)
    }
}

/// One segment of a class.
fn name(option: &Ident, input: ParseStream<'_>) -> syn::Result<LitStr> {
    if input.parse::<Token![=]>().is_err() || !input.peek(LitStr) {
        return Err(Error::new(option.span(), "write `name = \"Timeout\"`"));
    }
    let text: LitStr = input.parse()?;
    let segment = text.value();
    if segment.trim().is_empty() || segment.contains("::") {
        return Err(Error::new(text.span(), "a name is one segment of the class: neither empty nor with `::` in it"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::messages;

    fn text(item: TokenStream) -> String {
        error_class(item).to_string()
    }

    #[test]
    fn an_enum_has_one_class_a_variant() {
        let found = text(quote!(
            enum PaymentError {
                Timeout,
                Declined(String),
                #[error_class(name = "Net")]
                Connection {
                    code: u8,
                },
            }
        ));
        assert!(found.contains(r#"Self :: Timeout { .. } => "PaymentError::Timeout""#), "{found}");
        assert!(found.contains(r#"Self :: Declined { .. } => "PaymentError::Declined""#), "{found}");
        assert!(found.contains(r#"Self :: Connection { .. } => "PaymentError::Net""#), "{found}");
        assert!(!found.contains("details"), "{found}");
    }

    #[test]
    fn a_struct_is_classed_by_its_name_and_keeps_its_generics() {
        let found = text(quote!(
            #[error_class(name = "Lost", serialize)]
            struct Gone<T: Send>(T)
            where
                T: Sync;
        ));
        assert!(
            found.contains("impl < T : Send > :: stent_executor :: ErrorClassed for Gone < T > where T : Sync"),
            "{found}"
        );
        assert!(found.contains(r#"fn class (& self) -> & 'static str { "Lost" }"#), "{found}");
        assert!(found.contains(":: stent_executor :: __private :: details (self)"), "{found}");
    }

    #[test]
    fn what_has_no_class_is_refused() {
        let found = messages(&error_class(quote!(
            enum Never {}
        )));
        assert_eq!(found, ["an enum without variants has no class: add a variant, or remove the derive"]);
        let found = messages(&error_class(quote!(
            union Bits {
                a: u8,
            }
        )));
        assert_eq!(found, ["`ErrorClass` is for enums and structs: a union has no class"]);
    }

    #[test]
    fn all_complaints_come_together() {
        let found = messages(&error_class(quote!(
            #[error_class(rename = "x")]
            enum Bad {
                #[error_class(serialize)]
                A,
                #[error_class(name = "a::b")]
                B,
            }
        )));
        assert_eq!(
            found,
            [
                "unknown option `rename`; the options here are `name`, `serialize`, `crate`",
                "`serialize` is of the whole type: write it above the enum",
                "a name is one segment of the class: neither empty nor with `::` in it",
            ]
        );
    }
}
