//! A scene as a painting: layout, frame, marks in their order.

use crate::frame::Layout;
use crate::marks::Brush;
use crate::scene::{Mark, Scene};
use crate::shape::{Anchor, Painting, Shape};
use crate::summary::summary;

pub(crate) fn paint(scene: &Scene) -> Painting {
    let layout = Layout::of(scene);
    let ink = scene.theme.ink();
    let mut brush = Brush::new(scene, layout.map);
    // What shades the ground stands behind what is drawn upon it.
    let is_ground = |m: &&Mark| matches!(m, Mark::Window { .. } | Mark::Band { .. } | Mark::Heatmap { .. });
    scene.marks.iter().filter(is_ground).for_each(|m| brush.mark(m));
    scene
        .marks
        .iter()
        .filter(|m| !is_ground(m))
        .for_each(|m| brush.mark(m));
    let plot = layout.map.plot;
    if scene.marks.is_empty() && scene.frame == crate::scene::Frame::Full {
        brush.front.push(Shape::Text {
            x: plot.x + plot.width / 2.0,
            y: plot.y + plot.height / 2.0,
            anchor: Anchor::Middle,
            size: 13.0,
            color: ink.muted,
            text: "no data in this range".to_owned(),
        });
    }
    Painting {
        width: layout.width,
        height: layout.height,
        background: ink.background,
        plot,
        behind: layout.frame(scene, ink),
        inside: brush.inside,
        front: brush.front,
        words: summary(scene),
    }
}
