//! Errors on their way to JavaScript: the code as the error's code, the values of its message as JSON in its text
//! (`src/native/addon.ts` reads them).

use std::fmt::Write;

use podwire_engine::Error;

fn quote(text: &str, json: &mut String) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            control if control < ' ' => {
                write!(json, "\\u{:04x}", control as u32).expect("a string takes all");
            }
            other => json.push(other),
        }
    }
    json.push('"');
}

/// The error of a code and the values of its message.
pub fn coded(code: &str, values: &[(&str, String)]) -> napi::Error<String> {
    let mut json = String::from("{");
    for (i, (name, value)) in values.iter().enumerate() {
        if i > 0 {
            json.push(',');
        }
        quote(name, &mut json);
        json.push(':');
        quote(value, &mut json);
    }
    json.push('}');
    napi::Error::new(code.to_owned(), json)
}

/// The engine's errors.
pub fn engine_error(error: &Error) -> napi::Error<String> {
    let (code, values) = error.parts();
    coded(code, &values)
}
