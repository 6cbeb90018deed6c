//! A strict scanner for RFC 8259: checks a whole text and tells where its values lie, without building anything.
//!
//! It knows syntax and depth only. Escapes are checked for their form; whether they are Unicode scalar values is asked
//! when somebody looks at the string. The bytes must be UTF-8, which is checked beforehand.

use crate::string::plain_len;

/// How many levels of arrays and objects a value may nest.
pub(crate) const NESTING_MAX: u32 = 128;

/// The byte at which a text turns out not to be JSON; its length where it ends too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// Position in the scanner's bytes.
    pub(crate) at: usize,
}

/// The type of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Boolean,
    /// A number; what it is, its text says.
    Number,
    /// A string without escapes.
    PlainString,
    /// A string with at least one escape.
    EscapedString,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// Where a value lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Value {
    /// Its type.
    pub(crate) kind: Kind,
    /// Its first byte: of a string the quote.
    pub(crate) start: usize,
    /// The byte after its last.
    pub(crate) end: usize,
}

impl Value {
    /// Its bytes within `text`.
    pub(crate) fn bytes<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        &text[self.start..self.end]
    }

    /// What stands between the quotes; for strings only.
    pub(crate) fn unquoted<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        debug_assert!(matches!(self.kind, Kind::PlainString | Kind::EscapedString));
        &text[self.start + 1..self.end - 1]
    }
}

/// A place in a JSON text. Every method leaves it behind what it has read, or at the byte that is wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    /// Starts at byte `at` of `bytes`.
    pub(crate) fn new(bytes: &'a [u8], at: usize) -> Scanner<'a> {
        Scanner { bytes, at }
    }

    /// The position of the byte to be read next.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The byte to be read next; `None` at the end.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Passes over whitespace.
    pub(crate) fn whitespace(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Demands that only whitespace is left.
    pub(crate) fn end(&mut self) -> Result<(), Malformed> {
        self.whitespace();
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.malformed()) }
    }

    /// Passes over the bracket that opens an array or object.
    pub(crate) fn open(&mut self) {
        debug_assert!(matches!(self.peek(), Some(b'[' | b'{')));
        self.at += 1;
    }

    /// Goes to the next element of the array (`close` is `]`) or member of the object (`}`), or past its end: then the
    /// answer is `false`. `is_first` says that nothing has been read since it was opened.
    pub(crate) fn next_in(&mut self, close: u8, is_first: bool) -> Result<bool, Malformed> {
        self.whitespace();
        match self.peek() {
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            Some(b',') if !is_first => {
                self.at += 1;
                self.whitespace();
                Ok(true)
            }
            Some(_) if is_first => Ok(true),
            _ => Err(self.malformed()),
        }
    }

    /// Reads the name of a member, its colon, and the whitespace around that.
    pub(crate) fn name(&mut self) -> Result<Value, Malformed> {
        if self.peek() != Some(b'"') {
            return Err(self.malformed());
        }
        let start = self.at;
        let kind = self.string()?;
        let name = Value { kind, start, end: self.at };
        self.whitespace();
        if self.peek() != Some(b':') {
            return Err(self.malformed());
        }
        self.at += 1;
        self.whitespace();
        Ok(name)
    }

    /// Reads a value that begins here, with all it nests.
    pub(crate) fn value(&mut self) -> Result<Value, Malformed> {
        let start = self.at;
        let kind = match self.peek() {
            Some(b'[') => self.nest().map(|()| Kind::Array)?,
            Some(b'{') => self.nest().map(|()| Kind::Object)?,
            _ => self.scalar()?,
        };
        Ok(Value { kind, start, end: self.at })
    }

    /// Reads an array or object. A bit for each open level stands for the stack: memory is bounded whatever comes.
    fn nest(&mut self) -> Result<(), Malformed> {
        // The lowest bit is the innermost level; set for an object.
        let mut objects = 0u128;
        const { assert!(NESTING_MAX <= u128::BITS) };
        let mut depth = 0;
        loop {
            let mut is_first = false;
            if let Some(bracket @ (b'[' | b'{')) = self.peek() {
                if depth == NESTING_MAX {
                    return Err(self.malformed());
                }
                self.at += 1;
                depth += 1;
                objects = objects << 1 | u128::from(bracket == b'{');
                is_first = true;
            } else {
                self.scalar()?;
            }
            // Close as many levels as end here, up to where another value begins.
            loop {
                let is_object = objects & 1 == 1;
                if self.next_in(if is_object { b'}' } else { b']' }, is_first)? {
                    if is_object {
                        self.name()?;
                    }
                    break;
                }
                depth -= 1;
                if depth == 0 {
                    return Ok(());
                }
                objects >>= 1;
                is_first = false;
            }
        }
    }

    /// Reads a string, a number, `true`, `false` or `null`.
    pub(crate) fn scalar(&mut self) -> Result<Kind, Malformed> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'n') => self.literal(b"null", Kind::Null),
            Some(b't') => self.literal(b"true", Kind::Boolean),
            Some(b'f') => self.literal(b"false", Kind::Boolean),
            _ => Err(self.malformed()),
        }
    }

    fn literal(&mut self, word: &[u8], kind: Kind) -> Result<Kind, Malformed> {
        for &byte in word {
            self.expect(|found| found == byte)?;
        }
        Ok(kind)
    }

    fn string(&mut self) -> Result<Kind, Malformed> {
        self.at += 1;
        let mut kind = Kind::PlainString;
        loop {
            self.at += plain_len(&self.bytes[self.at..]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(kind);
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape()?;
                    kind = Kind::EscapedString;
                }
                _ => return Err(self.malformed()),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Malformed> {
        let is_unicode = self.peek() == Some(b'u');
        self.expect(|byte| matches!(byte, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' | b'u'))?;
        if is_unicode {
            for _ in 0..4 {
                self.expect(|byte| byte.is_ascii_hexdigit())?;
            }
        }
        Ok(())
    }

    /// Reads the number that begins here.
    pub(crate) fn number(&mut self) -> Result<Kind, Malformed> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Kind::Number)
    }

    /// Reads at least one digit.
    fn digits(&mut self) -> Result<(), Malformed> {
        self.expect(|byte| byte.is_ascii_digit())?;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        Ok(())
    }

    fn expect(&mut self, is_right: impl Fn(u8) -> bool) -> Result<(), Malformed> {
        if self.peek().is_some_and(is_right) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.malformed())
        }
    }

    fn malformed(&self) -> Malformed {
        Malformed { at: self.at }
    }
}
