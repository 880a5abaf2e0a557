//! Values of JSON straight into columns: numbers by their digits, and each call adds exactly one value,
//! whatever becomes of it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::column::{ColumnBuilder, Lists, Misfit, Objects};
use super::{MAX_QUOTED, quoted, shorten};

/// A value that does not fit, with the beginning of its text.
#[derive(Debug)]
pub(super) struct Unfit {
    pub(super) misfit: Misfit,
    pub(super) value: String,
}

impl Unfit {
    pub(super) fn new(misfit: impl Into<Misfit>, value: &str) -> Self {
        Self {
            misfit: misfit.into(),
            value: shorten(value, MAX_QUOTED),
        }
    }
}

/// Adds the value that a text of JSON stands for.
pub(super) fn append(builder: &mut ColumnBuilder, text: &str) -> Result<(), Misfit> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let added = ValueSeed(builder)
        .deserialize(&mut deserializer)
        .and_then(|added| deserializer.end().map(|()| added));
    match added {
        Ok(added) => added.map_err(|unfit| unfit.misfit),
        Err(_) => Err("is not JSON".into()),
    }
}

/// Adds a value to a builder. An error of the deserializer is one of its syntax; a value that does not fit
/// is told as what came of it.
pub(super) struct ValueSeed<'a>(pub(super) &'a mut ColumnBuilder);

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = Result<(), Unfit>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let builder = self.0;
        if builder.is_numeric() {
            // As it is written: a number on its way through a double would be another.
            return match <&RawValue as serde::Deserialize>::deserialize(deserializer) {
                Ok(raw) => Ok(append_raw(builder, raw.get())),
                Err(error) => {
                    builder.append_null();
                    Err(error)
                }
            };
        }
        let mut added = false;
        let visitor = ValueVisitor {
            builder: &mut *builder,
            added: &mut added,
        };
        let result = deserializer.deserialize_any(visitor);
        if !added {
            builder.append_null();
        }
        result
    }
}

fn append_raw(builder: &mut ColumnBuilder, raw: &str) -> Result<(), Unfit> {
    let added = match raw.as_bytes().first() {
        Some(b'n') => {
            builder.append_null();
            Ok(())
        }
        Some(b'-' | b'0'..=b'9') => builder.append_digits(raw),
        Some(b'"') if builder.is_decimal() => {
            let text = serde_json::from_str::<Cow<'_, str>>(raw);
            builder.append_text(text.as_deref().unwrap_or(raw))
        }
        _ => builder.refuse(),
    };
    added.map_err(|misfit| Unfit::new(misfit, raw))
}

struct ValueVisitor<'a> {
    builder: &'a mut ColumnBuilder,
    /// Whether the value is in the builder.
    added: &'a mut bool,
}

impl ValueVisitor<'_> {
    fn text(self, text: &str) -> Result<(), Unfit> {
        *self.added = true;
        let added = if self.builder.takes_text() {
            self.builder.append_text(text)
        } else {
            self.builder.refuse()
        };
        added.map_err(|misfit| Unfit::new(misfit, text))
    }

    fn refuse(self, value: &str) -> Result<(), Unfit> {
        *self.added = true;
        self.builder.refuse().map_err(|misfit| Unfit::new(misfit, value))
    }
}

impl<'de> Visitor<'de> for ValueVisitor<'_> {
    type Value = Result<(), Unfit>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        *self.added = true;
        self.builder.append_null();
        Ok(Ok(()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        if self.builder.append_boolean(value) {
            *self.added = true;
            return Ok(Ok(()));
        }
        Ok(self.refuse(if value { "true" } else { "false" }))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(self.refuse(&value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(self.refuse(&value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(self.refuse(&value.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(self.text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        if let ColumnBuilder::List(lists) = self.builder {
            *self.added = true;
            return append_items(lists, items);
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(self.refuse("[…]"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        if let ColumnBuilder::Object(objects) = self.builder {
            *self.added = true;
            return append_members(objects, members);
        }
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(self.refuse("{…}"))
    }
}

fn append_items<'de, A: SeqAccess<'de>>(
    lists: &mut Lists,
    mut given: A,
) -> Result<Result<(), Unfit>, A::Error> {
    let mut first = Ok(());
    for index in 0.. {
        let mut added = false;
        let seed = Noted(ValueSeed(&mut lists.item), &mut added);
        let next = given.next_element_seed(seed);
        lists.items += usize::from(added);
        match next {
            Ok(Some(Err(unfit))) if first.is_ok() => first = Err(unfit.inside(&format!("[{index}]"))),
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) => {
                lists.end(false);
                return Err(error);
            }
        }
    }
    lists.end(true);
    Ok(first)
}

/// Notes that a seed was used, and so that a value was added.
struct Noted<'a>(ValueSeed<'a>, &'a mut bool);

impl<'de> DeserializeSeed<'de> for Noted<'_> {
    type Value = Result<(), Unfit>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        *self.1 = true;
        self.0.deserialize(deserializer)
    }
}

fn append_members<'de, A: MapAccess<'de>>(
    objects: &mut Objects,
    given: A,
) -> Result<Result<(), Unfit>, A::Error> {
    let mut first = Ok(());
    let object = &objects.object;
    let mut seen = vec![false; object.columns.len()];
    let mut tell = |place: &str, unfit: Unfit| {
        if first.is_ok() {
            first = Err(unfit.inside(place));
        }
    };
    let read = read_members(
        given,
        &mut objects.members,
        &objects.places,
        &mut seen,
        |member| match member {
            Member::Unfit(at, unfit) => tell(&format!(".{}", object.columns[at].name), unfit),
            Member::Twice(at) => tell(
                &format!(".{}", object.columns[at].name),
                Unfit::new("occurs twice", ""),
            ),
            Member::Unknown(name) if object.closed => {
                let reason = format!("may have no member {}", quoted(name));
                tell("", Unfit::new(Misfit::of(reason), ""));
            }
            Member::Unknown(_) => {}
        },
    );
    objects.valid.append(read.is_ok());
    read.map(|_| first)
}

impl Unfit {
    fn inside(self, place: &str) -> Self {
        Self {
            misfit: self.misfit.inside(place),
            ..self
        }
    }
}

/// What there is to say about a member of an object.
pub(super) enum Member<'a> {
    Unfit(usize, Unfit),
    Twice(usize),
    Unknown(&'a str),
}

/// The places of members by their names.
pub(super) struct Places {
    names: Vec<String>,
    by_name: HashMap<String, usize>,
}

/// Up to here it is faster to look through the names.
const FEW: usize = 8;

impl<'a> FromIterator<&'a str> for Places {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let by_name = if names.len() > FEW {
            names
                .iter()
                .enumerate()
                .map(|(at, name)| (name.clone(), at))
                .collect()
        } else {
            HashMap::new()
        };
        Self { names, by_name }
    }
}

impl Places {
    /// Members mostly come in the order of the last object: `guess` is where the next one would be.
    pub(super) fn find(&self, name: &str, guess: usize) -> Option<usize> {
        if self.names.get(guess).is_some_and(|it| it == name) {
            return Some(guess);
        }
        if self.names.len() > FEW {
            self.by_name.get(name).copied()
        } else {
            self.names.iter().position(|it| it == name)
        }
    }
}

/// Adds the members of one object, and none where one is missing, to each builder exactly one value. `seen`
/// is room to work in, all false. Tells how many members the builders have.
pub(super) fn read_members<'de, A: MapAccess<'de>>(
    mut given: A,
    builders: &mut [ColumnBuilder],
    places: &Places,
    seen: &mut [bool],
    mut tell: impl FnMut(Member<'_>),
) -> Result<usize, A::Error> {
    let (mut guess, mut known) = (0, 0);
    let mut read = || -> Result<(), A::Error> {
        while let Some(name) = given.next_key_seed(Name)? {
            let Some(at) = places.find(&name, guess) else {
                given.next_value::<IgnoredAny>()?;
                tell(Member::Unknown(&name));
                continue;
            };
            guess = at + 1;
            known += 1;
            if seen[at] {
                given.next_value::<IgnoredAny>()?;
                tell(Member::Twice(at));
                continue;
            }
            let seed = Noted(ValueSeed(&mut builders[at]), &mut seen[at]);
            if let Err(unfit) = given.next_value_seed(seed)? {
                tell(Member::Unfit(at, unfit));
            }
        }
        Ok(())
    };
    let result = read();
    for (builder, seen) in builders.iter_mut().zip(seen) {
        if !std::mem::take(seen) {
            builder.append_null();
        }
    }
    result.map(|()| known)
}

/// The name of a member, borrowed unless it has escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

/// An object that is a row.
pub(super) struct RowSeed<'a, F> {
    pub(super) builders: &'a mut [ColumnBuilder],
    pub(super) places: &'a Places,
    pub(super) seen: &'a mut [bool],
    pub(super) tell: F,
}

impl<'de, F: FnMut(Member<'_>)> DeserializeSeed<'de> for RowSeed<'_, F> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        let mut added = false;
        let Self {
            builders,
            places,
            seen,
            tell,
        } = self;
        let visitor = RowVisitor {
            builders: &mut *builders,
            places,
            seen,
            tell,
            added: &mut added,
        };
        let result = deserializer.deserialize_map(visitor);
        if !added {
            builders.iter_mut().for_each(ColumnBuilder::append_null);
        }
        result
    }
}

struct RowVisitor<'a, F> {
    builders: &'a mut [ColumnBuilder],
    places: &'a Places,
    seen: &'a mut [bool],
    tell: F,
    added: &'a mut bool,
}

impl<'de, F: FnMut(Member<'_>)> Visitor<'de> for RowVisitor<'_, F> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<usize, A::Error> {
        *self.added = true;
        read_members(members, self.builders, self.places, self.seen, self.tell)
    }
}
