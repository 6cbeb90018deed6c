//! A walk over the tokens of a line, by the grammar of RFC 8259: which fields an object has, and where their values lie.
//!
//! It accepts what `json` accepts and finds the same values. What is wrong with a line it leaves to `json` to say: here
//! `None` is any fault.

#![expect(clippy::inline_always, reason = "what a member costs is mostly values passed through memory")]

use std::hint::select_unpredictable;

use engine_model::Field;

use crate::LINE_BYTES_MAX;
use crate::json::{Kind, NESTING_MAX, Scanner, Value};
use crate::names::{ITEM_NAMES, NAME_MAX, Names, UNKNOWN};
use crate::tokens::{NOWHERE, Tokens};

/// Where the fields of one object lie: of each known name the last value.
#[derive(Debug)]
pub(crate) struct Fields {
    /// A bit for each field that is there; the values of the others are left from earlier objects.
    present: u32,
    /// The last is that of all names that are none of ours.
    values: [Place; UNKNOWN + 1],
}

/// A [`Value`] in less room: lines are short.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    start: u32,
    end: u32,
    kind: Kind,
}

const _: () = assert!(UNKNOWN < u32::BITS as usize);

impl Default for Fields {
    fn default() -> Fields {
        Fields { present: 0, values: [Place::default(); UNKNOWN + 1] }
    }
}

impl Fields {
    /// Forgets those of the object before.
    pub(crate) fn clear(&mut self) {
        self.present = 0;
    }

    /// Puts the value of the field with this number, or of none of ours.
    #[inline(always)]
    pub(crate) fn put(&mut self, slot: usize, value: Value) {
        debug_assert!(value.end <= LINE_BYTES_MAX + 1);
        self.present |= 1 << slot;
        #[expect(clippy::cast_possible_truncation, reason = "places in a line")]
        let (start, end) = (value.start as u32, value.end as u32);
        self.values[slot] = Place { start, end, kind: value.kind };
    }

    /// The value of a field that is there.
    #[inline(always)]
    pub(crate) fn get(&self, field: Field) -> Option<Value> {
        let Place { start, end, kind } = self.values[field as usize];
        (self.present & 1 << field as u32 != 0).then_some(Value { kind, start: start as usize, end: end as usize })
    }
}

/// A byte that means something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    /// Where it stands.
    pub(crate) at: usize,
    /// Which it is.
    pub(crate) byte: u8,
}

/// A place among the tokens of a line.
#[derive(Debug)]
pub(crate) struct Walker<'a> {
    /// The line, and perhaps more.
    bytes: &'a [u8],
    /// The tokens not yet passed.
    tokens: &'a [u32],
    /// The escapes not yet passed, the first of them apart; the last is [`NOWHERE`].
    escapes: &'a [u32],
    escape: u32,
}

impl<'a> Walker<'a> {
    /// Starts before the first token of the line that `bytes` begins with.
    pub(crate) fn new(bytes: &'a [u8], tokens: &'a Tokens) -> Walker<'a> {
        Walker::over(bytes, tokens.positions(), tokens.escapes())
    }

    /// Starts behind the token at byte `at` of the line.
    pub(crate) fn behind(bytes: &'a [u8], tokens: &'a Tokens, at: usize) -> Walker<'a> {
        let after = |positions: &'a [u32]| &positions[positions.partition_point(|&position| position as usize <= at)..];
        Walker::over(bytes, after(tokens.positions()), after(tokens.escapes()))
    }

    fn over(bytes: &'a [u8], tokens: &'a [u32], escapes: &'a [u32]) -> Walker<'a> {
        Walker { bytes, tokens, escapes, escape: escapes.first().copied().unwrap_or(NOWHERE) }
    }

    /// Takes the place of the next token.
    #[inline(always)]
    fn next(&mut self) -> Option<u32> {
        let (&next, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(next)
    }

    /// Takes the next token, which is no mark right behind a string.
    #[inline(always)]
    pub(crate) fn token(&mut self) -> Option<Token> {
        let at = self.next()? as usize;
        Some(Token { at, byte: *self.bytes.get(at)? })
    }

    /// Whether all tokens are passed.
    pub(crate) fn is_at_end(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Reads the members of the object whose brace was the last token, up to and with the brace that closes it. Returns
    /// where it ends.
    #[inline(never)]
    pub(crate) fn object(&mut self, names: &Names, fields: &mut Fields, scratch: &mut Vec<u8>) -> Option<usize> {
        fields.clear();
        let first = self.token()?;
        if first.byte == b'}' {
            return Some(first.at + 1);
        }
        let mut name = first.at;
        loop {
            // Most members: a name and a string, neither with escapes, and nothing blank before the marks behind them.
            let behind = if let Some((slot, value)) = self.usual_member(names, name) {
                fields.put(slot, value);
                self.tokens = self.tokens.get(3..)?;
                self.token_behind(value)?
            } else {
                self.member(names, name, fields, scratch)?
            };
            match behind.byte {
                b',' => name = self.token()?.at,
                b'}' => return Some(behind.at + 1),
                _ => return None,
            }
        }
    }

    /// The field that the member whose first quote is at `open` is, and its value, where both are strings without escapes
    /// and the colon is right behind the name. Passes nothing.
    #[inline(always)]
    fn usual_member(&self, names: &Names, open: usize) -> Option<(usize, Value)> {
        let [close, start, end] = self.tokens.first_chunk()?.map(|at| at as usize);
        let byte = |at: usize| self.bytes.get(at).copied();
        let is_usual = byte(open) == Some(b'"')
            && byte(close + 1) == Some(b':')
            && byte(start) == Some(b'"')
            && self.escape as usize > end;
        let block = self.bytes.get(open + 1..)?.first_chunk()?;
        let value = Value { kind: Kind::PlainString, start, end: end + 1 };
        is_usual.then(|| (names.slot(block, close - open - 1), value))
    }

    /// Reads any member and the token behind it.
    #[inline(never)]
    fn member(&mut self, names: &Names, open: usize, fields: &mut Fields, scratch: &mut Vec<u8>) -> Option<Token> {
        let name = self.name(Token { at: open, byte: *self.bytes.get(open)? })?;
        let first = self.token()?;
        let (value, behind);
        if first.byte == b'"' {
            value = self.string(first.at)?;
            behind = self.token_behind(value)?;
        } else {
            value = self.other_value(first)?;
            behind = self.token()?;
        }
        fields.put(self.slot(names, name, scratch), value);
        Some(behind)
    }

    /// Goes to the next element of the array whose bracket or last element was passed: its first token, or the bracket
    /// that closes the array.
    pub(crate) fn next_element(&mut self, is_first: bool) -> Option<Token> {
        let token = self.token()?;
        if is_first || token.byte == b']' { Some(token) } else { self.token() }
    }

    /// Reads the element that begins with `token`. The fields of an object, which is to have the names of an item, go to
    /// `fields`. Whatever follows another element cannot be read after it.
    pub(crate) fn element(&mut self, token: Token, fields: &mut Fields, scratch: &mut Vec<u8>) -> Option<Value> {
        match token.byte {
            b'"' => self.string(token.at),
            b'{' => {
                let end = self.object(&ITEM_NAMES, fields, scratch)?;
                Some(Value { kind: Kind::Object, start: token.at, end })
            }
            _ => self.other_value(token),
        }
    }

    /// The number of the field that is called so. A name is compared after unescaping; one with an escape that is no
    /// Unicode scalar value is none of ours.
    #[inline(always)]
    fn slot(&self, names: &Names, name: Value, scratch: &mut Vec<u8>) -> usize {
        if name.kind == Kind::EscapedString {
            return names.slot_of_escaped(name.unquoted(self.bytes), scratch);
        }
        let start = name.start + 1;
        let len = name.end - 1 - start;
        if let Some(block) = self.bytes.get(start..).and_then(<[u8]>::first_chunk) {
            return names.slot(block, len);
        }
        let mut block = [0; NAME_MAX];
        let name = name.unquoted(self.bytes);
        block[..name.len().min(NAME_MAX)].copy_from_slice(&name[..name.len().min(NAME_MAX)]);
        names.slot(&block, len)
    }

    /// Reads the name that begins with `token`, and the colon.
    #[inline(always)]
    fn name(&mut self, token: Token) -> Option<Value> {
        if token.byte != b'"' {
            return None;
        }
        let name = self.string(token.at)?;
        (self.token_behind(name)?.byte == b':').then_some(name)
    }

    /// Reads the value that begins with `token` and is no string, with all it nests.
    fn other_value(&mut self, token: Token) -> Option<Value> {
        match token.byte {
            b'{' | b'[' => self.nest(token),
            _ => self.scalar(token.at),
        }
    }

    /// Reads the string whose opening quote was the last token: the next is the closing one.
    #[inline(always)]
    fn string(&mut self, start: usize) -> Option<Value> {
        let close = self.next()?;
        // Where there is one escape, there is seldom another; whether there is one, nobody can tell beforehand.
        let has_escape = self.escape < close;
        let kind = select_unpredictable(has_escape, Kind::EscapedString, Kind::PlainString);
        self.escapes = self.escapes.get(usize::from(has_escape)..)?;
        self.escape = *self.escapes.first()?;
        while self.escape < close {
            self.escapes = self.escapes.get(1..)?;
            self.escape = *self.escapes.first()?;
        }
        Some(Value { kind, start, end: close as usize + 1 })
    }

    /// Takes the token behind a string: one right behind it is not listed.
    #[inline(always)]
    fn token_behind(&mut self, string: Value) -> Option<Token> {
        match self.bytes.get(string.end)? {
            b' ' | b'\t' | b'\r' => self.token(),
            &byte => Some(Token { at: string.end, byte }),
        }
    }

    /// Reads a number or one of the three words, which the next token may not touch unless it is a mark.
    fn scalar(&self, start: usize) -> Option<Value> {
        let mut scanner = Scanner::new(self.bytes, start);
        let kind = scanner.scalar().ok()?;
        let end = scanner.at();
        let ends = matches!(self.bytes.get(end), None | Some(b' ' | b'\t' | b'\r' | b'\n' | b',' | b'}' | b']'));
        ends.then_some(Value { kind, start, end })
    }

    /// Reads the array or object that begins with `token`. A bit for each open level stands for the stack.
    fn nest(&mut self, token: Token) -> Option<Value> {
        let kind = if token.byte == b'{' { Kind::Object } else { Kind::Array };
        // The lowest bit is the innermost level; set for an object.
        let (mut objects, mut depth) = (0u128, 0);
        const { assert!(NESTING_MAX <= u128::BITS) };
        let mut here = token;
        loop {
            // A value begins here; then comes what is behind it.
            let mut behind = match here.byte {
                b'"' => {
                    let string = self.string(here.at)?;
                    self.token_behind(string)?
                }
                b'{' | b'[' => {
                    if depth == NESTING_MAX {
                        return None;
                    }
                    depth += 1;
                    let is_object = here.byte == b'{';
                    objects = objects << 1 | u128::from(is_object);
                    let first = self.token()?;
                    if first.byte != closing(objects) {
                        here = first;
                        if is_object {
                            self.name(first)?;
                            here = self.token()?;
                        }
                        continue;
                    }
                    first
                }
                _ => {
                    self.scalar(here.at)?;
                    self.token()?
                }
            };
            // Close as many levels as end here, up to where another value begins.
            loop {
                if behind.byte == b',' {
                    here = self.token()?;
                    if objects & 1 == 1 {
                        self.name(here)?;
                        here = self.token()?;
                    }
                    break;
                }
                if behind.byte != closing(objects) {
                    return None;
                }
                depth -= 1;
                objects >>= 1;
                if depth == 0 {
                    return Some(Value { kind, start: token.at, end: behind.at + 1 });
                }
                behind = self.token()?;
            }
        }
    }
}

/// The bracket that closes the innermost of the open levels.
fn closing(objects: u128) -> u8 {
    if objects & 1 == 1 { b'}' } else { b']' }
}
