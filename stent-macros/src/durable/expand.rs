//! The two items of one name: a function that makes a call, and a type that carries name, options and body.
//!
//! - Every path is absolute, and every local name of the expansion is invisible to the user's code.
//! - What users wrote keeps its span, so that errors and lints of theirs point at it; what is generated has a span of the
//!   macro, so that no lint of theirs speaks of it.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Path, Type};

use super::definition::definition;
use super::options::Options;
use super::signature::Function;
use crate::executor;

/// Everything that `#[durable]` makes of `function`.
pub(super) fn expand(function: &Function, options: &Options) -> TokenStream {
    let executor = options.executor();
    let carrier = carrier(function);
    let caller = caller(function, &executor);
    let implementation = implementation(function, options, &executor);
    let assertions = assertions(function, &executor);
    quote! { #carrier #caller #implementation #assertions }
}

/// A generated token's span that reports at the user's `span`.
pub(super) fn at(span: Span) -> Span {
    Span::call_site().located_at(span)
}

/// A local name that the user's code can neither see nor hide.
fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// The type: braced, so that its name stays free among the values.
fn carrier(function: &Function) -> TokenStream {
    let (cfg, doc, visibility) = (&function.attributes.everywhere, &function.attributes.items, &function.visibility);
    let mut name = function.name.clone();
    name.set_span(at(name.span()));
    let about = format!("The durable function `{name}`: its name, its options and its body.");
    quote! {
        #(#cfg)*
        #[doc = #about]
        #(#doc)*
        #[allow(non_camel_case_types, unreachable_pub, reason = "it bears the function's name and visibility")]
        #[derive(::std::fmt::Debug, ::std::clone::Clone, ::std::marker::Copy)]
        #visibility struct #name {}
    }
}

/// The function that users call.
fn caller(function: &Function, executor: &Path) -> TokenStream {
    let Function { attributes, visibility, name, arguments, .. } = function;
    let (cfg, doc, others) = (&attributes.everywhere, &attributes.items, &attributes.function);
    let names = arguments.iter().map(|argument| &argument.name).collect::<Vec<_>>();
    let types = arguments.iter().map(|argument| &argument.ty);
    quote! {
        #(#cfg)*
        #(#others)*
        #(#doc)*
        #visibility fn #name(#(#names: #types),*) -> #executor::Call<#name> {
            #executor::Call::new((#(#names,)*))
        }
    }
}

fn implementation(function: &Function, options: &Options, executor: &Path) -> TokenStream {
    let Function { attributes, name, arguments, output, .. } = function;
    let cfg = &attributes.everywhere;
    let types = arguments.iter().map(|argument| &argument.ty);
    let args = quote_spanned!(function.parameters=> (#(#types,)*));
    let value = quote_spanned!(output.span()=> <#output as #executor::__private::DurableResult>::Value);
    let definition = definition(name, options, executor);
    let deprecated = attributes.deprecated.then(|| quote!(#[allow(deprecated, reason = "the function itself is")]));
    // What is registered may well be called from another crate, so that it counts as used.
    let used = quote!(let _ = #name;);
    let memo_key = memo_key(function, options);
    let run = run(function, executor);
    quote! {
        #(#cfg)*
        impl #executor::DurableFunction for #name {
            type Args = #args;
            type Output = #value;

            #deprecated
            fn definition() -> #executor::FunctionDefinition {
                #used
                #definition
            }

            #memo_key
            #run
        }
    }
}

/// The user's key, which sees the arguments by reference.
fn memo_key(function: &Function, options: &Options) -> Option<TokenStream> {
    let key = options.key.as_ref()?;
    let names = function.arguments.iter().map(|argument| &argument.name);
    let args = local("args");
    let text = quote_spanned!(at(key.span())=> ::std::string::ToString::to_string(&(#key)));
    Some(quote! {
        #[allow(unused_variables, reason = "a key need not use every argument")]
        fn memo_key(#args: &Self::Args) -> ::std::option::Option<::std::string::String> {
            let (#(#names,)*) = #args;
            ::std::option::Option::Some(#text)
        }
    })
}

/// The body, as an async block: in it the function's own name means the call.
fn run(function: &Function, executor: &Path) -> TokenStream {
    let Function { attributes, name, context, arguments, output, body, .. } = function;
    let lints = &attributes.body;
    let (received, args, outcome) = (local("context"), local("args"), local("outcome"));
    let (value, error, never) = (local("value"), local("error"), local("never"));
    let bound = context.as_ref().map(|context| {
        let (pattern, ty) = (&context.pattern, &context.ty);
        quote!(let (#pattern,): (#ty,) = (#received,);)
    });
    let bindings = arguments.iter().map(|argument| {
        let (mutability, name) = (&argument.mutability, &argument.name);
        quote!(#mutability #name)
    });
    // A body that is not `Send` is reported here, so at the function's name.
    let future = quote_spanned! {at(name.span())=>
        impl ::std::future::Future<Output = ::std::result::Result<Self::Output, #executor::Failure>> + ::std::marker::Send
    };
    let failure = failure(output, executor, &error);
    let statements = &body.stmts;
    let body = quote_spanned!(at(body.brace_token.span.join())=> { #(#statements)* });
    quote! {
        #(#lints)*
        fn run(
            #received: #executor::Ctx,
            #args: Self::Args,
        ) -> #future {
            async move {
                let #outcome: #output = async move {
                    // Says what the block returns before its body is read, as a function's signature would.
                    if let ::std::option::Option::Some(#never) = ::std::option::Option::None::<#output> {
                        return #never;
                    }
                    #bound
                    let (#(#bindings,)*) = #args;
                    #body
                }
                .await;
                match #outcome {
                    ::std::result::Result::Ok(#value) => ::std::result::Result::Ok(#value),
                    ::std::result::Result::Err(#error) => ::std::result::Result::Err(#failure),
                }
            }
        }
    }
}

/// The error as a `Failure`, by the first trait that has it: classed by variant, a failure already, any other error.
fn failure(output: &Type, executor: &Path, error: &Ident) -> TokenStream {
    let tagged = executor::at(executor, output.span());
    let tag = quote_spanned!(at(output.span())=> (&&&#tagged::__private::Tag::new(&#error)).failure(#error));
    quote! {{
        #[allow(unused_imports, reason = "only the one that has the error is used")]
        use #executor::__private::{ByClass as _, ByError as _, ByFailure as _};
        #tag
    }}
}

/// Names the type that cannot be stored, before anything else complains about it.
fn assertions(function: &Function, executor: &Path) -> TokenStream {
    let cfg = &function.attributes.everywhere;
    let arguments = function.arguments.iter().map(|argument| {
        let ty = &argument.ty;
        let executor = executor::at(executor, ty.span());
        quote_spanned!(ty.span()=> #executor::__private::assert_argument::<#ty>();)
    });
    let output = &function.output;
    let output = quote_spanned!(output.span()=> #executor::__private::assert_output::<#output>(););
    quote! {
        #(#cfg)*
        const _: fn() = || {
            #(#arguments)*
            #output
        };
    }
}
