//! `#[derive(Label)]`, which asks the environment who wrote the label.

use proc_macro::TokenStream;
use quote::quote;
use syn::{parse_macro_input, DeriveInput};

/// Gives a type `label()`: its name and, if `PANTRY_LABELLER` is set while compiling, who labelled it.
#[proc_macro_derive(Label)]
pub fn label(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    let name = &input.ident;
    let text = match std::env::var("PANTRY_LABELLER") {
        Ok(who) => format!("{name} (by {who})"),
        Err(_) => name.to_string(),
    };
    quote! {
        impl ::labels::Label for #name {
            fn label() -> &'static str { #text }
        }
    }
    .into()
}
