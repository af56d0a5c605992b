//! Orders of a small shop: read from a file, billed, sent. Asked by {EMAIL}, see {URL}.
#![allow(dead_code)]

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Display, Formatter};
use std::marker::PhantomData;

/// Where answers go: `{EMAIL}` or {PHONE}.
pub const SUPPORT: &str = "Write to {EMAIL} or call {PHONE}, 'anytime'";
pub const GREETING: &'static str = "Hello, \"Mara Lindqvist\"!\n\tYour host is {HOST_IP}";
const TOKEN: &[u8] = b"{TOKEN}";
const RAW: &str = r"C:\Users\mlindqvist\{EMAIL}";
const BODY: &str = r#"{"mail": "{EMAIL}", "iban": "{IBAN}", "said": "it's \d+"}"#;
const DEEP: &str = r##"a "# quote and {CARD} by Mara Lindqvist "##;
const QUOTE: char = '"';
const APOSTROPHE: char = '\'';
const SLASH: char = '\\';
const SMILE: char = '\u{1F600}';
const BYTE: u8 = b'\'';
const OVER: &str = "a line of Mara Lindqvist \
    that goes on to {MAC}
    and ends here: {HOME}";

/* A comment /* with another of Mara Lindqvist, {SSN} */ that goes on: {IBAN} */
#[derive(Debug, Clone, PartialEq)]
pub struct Order<'a, T: 'a + ?Sized> {
    pub id: u64,
    pub customer: Cow<'a, str>,
    pub total: f64, // in Euro; ask Mara Lindqvist, {PHONE}
    marker: PhantomData<&'a T>,
}

#[derive(Debug)]
pub enum Failure<'e> {
    Unpaid { by: &'e str, of: u32 },
    Lost(&'e str),
    #[deprecated(since = "1.2.0", note = "ask {EMAIL}")]
    Other,
}

impl<'e> Display for Failure<'e> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Unpaid { by, of } if *of > 0 => write!(out, "{by} owes {of}: tell {EMAIL}"),
            Failure::Unpaid { .. } => Ok(()),
            Failure::Lost(what) => write!(out, "lost {}: it's with Mara Lindqvist", what),
            _ => out.write_str("call {PHONE}"),
        }
    }
}

pub trait Register {
    type Key<'k>: Ord + 'k
    where
        Self: 'k;
    fn of<'k>(&'k self, name: &'k str) -> Option<Self::Key<'k>>;
}

pub struct Shop<'s> {
    orders: BTreeMap<&'s str, Vec<Order<'s, str>>>,
    accounts: HashMap<String, Box<dyn Fn(&str) -> Result<(), Failure<'static>> + Send + 'static>>,
}

impl<'s> Shop<'s> {
    /// Reads `name;total` of each line. A line of `{USER}` is one such line.
    pub fn read(text: &'s str) -> Result<Self, Failure<'s>> {
        let mut orders: BTreeMap<&'s str, Vec<Order<'s, str>>> = BTreeMap::new();
        'lines: for (number, line) in text.lines().enumerate() {
            if line.starts_with('#') || line.trim_matches(|c: char| c == '"' || c == '\t').is_empty() {
                continue 'lines;
            }
            let Some((name, total)) = line.split_once(';') else {
                break 'lines;
            };
            let total = total.parse::<f64>().map_err(|_| Failure::Lost(name))?;
            orders.entry(name).or_default().push(Order {
                id: number as u64 | 0xFF_u64 << 8,
                customer: Cow::Borrowed(name),
                total: total * 1.19e0,
                marker: PhantomData,
            });
        }
        Ok(Shop { orders, accounts: HashMap::new() })
    }

    pub fn longest<'a, 'b: 'a>(&'a self, other: &'b str) -> &'a str {
        let mine = self.orders.keys().max_by_key(|name| name.len()).copied().unwrap_or("Mara Lindqvist");
        if mine.len() > other.len() { mine } else { other }
    }

    pub fn notify(&self, who: &str) -> String {
        let url = format!("https://mail.kontor.se/send?to={}&from={EMAIL}&key={TOKEN}", who);
        let door = "{URL}";
        println!("{url} {door} {:?} {:>8.2}", self.orders.get(who).map(Vec::len), 3.5_f32);
        url + "&user={USER}"
    }
}

impl Register for Shop<'_> {
    type Key<'k> = &'k str where Self: 'k;
    fn of<'k>(&'k self, name: &'k str) -> Option<&'k str> {
        self.orders.get_key_value(name).map(|(key, _)| *key)
    }
}

macro_rules! ask {
    ($who:expr $(, $rest:tt)*) => {{
        // of {EMAIL}
        let said = concat!("ask ", $who, " at {HOST_IP}");
        said.len() $(+ stringify!($rest).len())*
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read() {
        let shop = Shop::read("# of Mara Lindqvist\n{EMAIL};12.5\n\"quoted\";3").expect("it's read");
        assert_eq!(shop.of("{EMAIL}"), Some("{EMAIL}"), "key {KEY} opens it");
        assert!(ask!("Mara", Lindqvist, '!', 'x') > 3 && 1 < 2);
    }
}
