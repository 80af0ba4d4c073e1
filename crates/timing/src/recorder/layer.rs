use std::sync::OnceLock;

use tracing::{Event, Id, Metadata, Subscriber, span::Attributes, subscriber::Interest};
use tracing_subscriber::{
    Layer,
    layer::Context,
    registry::{LookupSpan, SpanRef},
};

use super::{
    Recorder,
    fields::{Arguments, Ending, Line},
};
use crate::report::{Ended, Level};

/// Kept with the span, so that it finds its lane.
struct Slot {
    label: String,
    /// The variant it was opened in.
    epoch: u32,
    /// Its place among the variant's lanes, once it was polled.
    lane: OnceLock<usize>,
}

impl<S> Layer<S> for Recorder
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        // "Sometimes" keeps the question open: past the cap, and between variants, spans are refused.
        if from_a_chapter(metadata) {
            Interest::sometimes()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _ctx: Context<'_, S>) -> bool {
        if !from_a_chapter(metadata) {
            return false;
        }
        metadata.is_event()
            || self
                .state()
                .variant
                .as_mut()
                .is_some_and(super::Recording::admit)
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(id) else { return };
        let mut arguments = Arguments::default();
        attributes.record(&mut arguments);
        let label = format!("{}({})", span.name(), arguments.0);
        let epoch = self.state().epoch;
        span.extensions_mut().insert(Slot {
            label,
            epoch,
            lane: OnceLock::new(),
        });
    }

    fn on_enter(&self, id: &Id, ctx: Context<'_, S>) {
        let unwinding = std::thread::panicking();
        with_slot(&ctx, id, |slot| {
            let mut state = self.state();
            let Some(variant) = state.variant(slot.epoch) else {
                return;
            };
            let index = *slot.lane.get_or_init(|| variant.open(&slot.label));
            variant.enter(index, unwinding);
        });
    }

    fn on_exit(&self, id: &Id, ctx: Context<'_, S>) {
        let unwinding = std::thread::panicking();
        with_slot(&ctx, id, |slot| {
            let Some(&index) = slot.lane.get() else {
                return;
            };
            if let Some(variant) = self.state().variant(slot.epoch) {
                variant.exit(index, unwinding);
            }
        });
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        with_slot(&ctx, &id, |slot| {
            let Some(&index) = slot.lane.get() else {
                return;
            };
            if let Some(variant) = self.state().variant(slot.epoch) {
                variant.close(index);
            }
        });
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        let span = ctx.lookup_current();
        let ending = line.only_ending();
        if let (Some(ending), Some(span)) = (ending, &span)
            && same_function(event.metadata(), span.metadata())
        {
            self.note_ending(span, ending);
        }
        if ending == Some(Ending::Return) {
            return;
        }
        let level = match *event.metadata().level() {
            tracing::Level::ERROR => Level::Error,
            tracing::Level::WARN => Level::Warn,
            _ => Level::Info,
        };
        self.say(
            span.and_then(|span| label(&span)).as_deref(),
            level,
            line.text,
        );
    }
}

impl Recorder {
    fn note_ending<'a, S: LookupSpan<'a>>(&self, span: &SpanRef<'a, S>, ending: Ending) {
        let extensions = span.extensions();
        let Some(slot) = extensions.get::<Slot>() else {
            return;
        };
        let Some(&index) = slot.lane.get() else {
            return;
        };
        if let Some(variant) = self.state().variant(slot.epoch) {
            let ended = match ending {
                Ending::Return => Ended::Returned,
                Ending::Error => Ended::Failed,
            };
            variant.note_ending(index, ended);
        }
    }
}

/// Whether an ending is the span's own. Where a span was refused, the function still reports its ending, inside whatever
/// span it was called from; the attribute makes span and report in one place of the source.
fn same_function(event: &Metadata<'_>, span: &Metadata<'_>) -> bool {
    (event.line(), event.file()) == (span.line(), span.file())
}

fn with_slot<S: Subscriber + for<'a> LookupSpan<'a>>(
    ctx: &Context<'_, S>,
    id: &Id,
    then: impl FnOnce(&Slot),
) {
    if let Some(span) = ctx.span(id)
        && let Some(slot) = span.extensions().get::<Slot>()
    {
        then(slot);
    }
}

fn label<'a, S: LookupSpan<'a>>(span: &SpanRef<'a, S>) -> Option<String> {
    span.extensions()
        .get::<Slot>()
        .map(|slot| slot.label.clone())
}

/// The label of the lane this thread is in, for whoever has no [`Context`].
pub(super) fn current_label() -> Option<String> {
    tracing::dispatcher::get_default(|dispatch| {
        let registry = dispatch.downcast_ref::<tracing_subscriber::Registry>()?;
        let id = dispatch.current_span().id()?.clone();
        label(&registry.span(&id)?)
    })
}

/// Lessons live in crates named `ch` and two digits. The libraries' own spans are not the lesson, and what is said
/// more softly than `info!` is not its narration.
pub(super) fn from_a_chapter(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target().as_bytes();
    *metadata.level() <= tracing::Level::INFO
        && matches!(target, [b'c', b'h', tens, ones, b'_', ..]
            if tens.is_ascii_digit() && ones.is_ascii_digit())
}
