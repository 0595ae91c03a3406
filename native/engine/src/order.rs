//! Work that several threads do at once and one takes over in the order in which it came. The queue is as long as whoever
//! pushes makes it: it is bounded by the number of items that travel.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

enum Place<T> {
    Waiting(T),
    InWork,
    Done(T),
}

struct Queue<T> {
    places: VecDeque<Place<T>>,
    /// How many places were taken from the front so far: what numbers them.
    taken: u64,
    /// The first that nobody works on.
    next: u64,
    closed: bool,
}

/// See the module.
pub struct Order<T> {
    queue: Mutex<Queue<T>>,
    pushed: Condvar,
    done: Condvar,
}

impl<T> Default for Order<T> {
    fn default() -> Self {
        Self {
            queue: Mutex::new(Queue {
                places: VecDeque::new(),
                taken: 0,
                next: 0,
                closed: false,
            }),
            pushed: Condvar::new(),
            done: Condvar::new(),
        }
    }
}

impl<T> Order<T> {
    fn queue(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an item behind all others.
    pub fn push(&self, item: T) {
        self.queue().places.push_back(Place::Waiting(item));
        self.pushed.notify_one();
    }

    /// Works on one item after the other, until closed.
    pub fn work(&self, work: impl Fn(&mut T)) {
        let mut queue = self.queue();
        loop {
            let number = queue.next;
            let at = (number - queue.taken) as usize;
            if at == queue.places.len() {
                if queue.closed {
                    return;
                }
                queue = self
                    .pushed
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            queue.next += 1;
            let Place::Waiting(mut item) = std::mem::replace(&mut queue.places[at], Place::InWork)
            else {
                unreachable!("`next` is the first that waits")
            };
            drop(queue);
            work(&mut item);
            queue = self.queue();
            let at = (number - queue.taken) as usize;
            queue.places[at] = Place::Done(item);
            if at == 0 {
                self.done.notify_one();
            }
        }
    }

    /// The oldest item, when its work is done; `None` once closed and empty. For one thread.
    pub fn next(&self) -> Option<T> {
        let mut queue = self.queue();
        loop {
            match queue.places.pop_front() {
                Some(Place::Done(item)) => {
                    queue.taken += 1;
                    return Some(item);
                }
                Some(place) => queue.places.push_front(place),
                None if queue.closed => return None,
                None => {}
            }
            queue = self
                .done
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets the threads end when all is done.
    pub fn close(&self) {
        self.queue().closed = true;
        self.pushed.notify_all();
        self.done.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn many_work_and_one_takes_in_order() {
        const ITEMS: u64 = 10_000;
        let order = Order::default();
        let taken: Vec<u64> = thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    order.work(|item: &mut (u64, u64)| {
                        // Some take longer than others.
                        item.1 = (0..item.0 % 97 * 50)
                            .fold(item.0, |sum, i| sum ^ std::hint::black_box(i ^ i));
                    });
                });
            }
            let taker = scope.spawn(|| {
                let mut taken = Vec::new();
                while let Some((number, worked)) = order.next() {
                    assert_eq!(number, worked, "worked on before it is taken");
                    taken.push(number);
                }
                taken
            });
            (0..ITEMS).for_each(|number| order.push((number, u64::MAX)));
            order.close();
            taker.join().expect("it does not panic")
        });
        assert_eq!(taken, (0..ITEMS).collect::<Vec<_>>());
    }
}
