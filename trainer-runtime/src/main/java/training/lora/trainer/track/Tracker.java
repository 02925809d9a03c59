package training.lora.trainer.track;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Stage;

/**
 * Tells one service, from a thread of its own. What is told goes to a file first, and from there to the service: a server that
 * is away costs the training nothing, and hears all of it when it is back. What goes wrong here never hurts the run, and is
 * told once.
 */
final class Tracker implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Tracker.class);

    /** Of lines that are sent at once. */
    private static final int MOST = 500;

    /** How often what is left is tried once the run ends. */
    private static final int LAST_ATTEMPTS = 3;

    private final Service service;
    private final TrackedFile file;
    private final Times times;
    private final Thread thread;
    private boolean started;
    private boolean closing;
    private boolean warned;
    private boolean broken;
    private Ending ending = Ending.Failed;
    private boolean begun;

    /**
     * @param interval between what is sent
     * @param first pause after a failure; the next ones are twice as long each
     * @param longest pause
     * @param silence after which the service is told that the run lives
     * @param end how long the end of the run may wait for the service
     */
    record Times(Duration interval, Duration first, Duration longest, Duration silence, Duration end) {
        static final Times USUAL = new Times(
                Duration.ofSeconds(2),
                Duration.ofSeconds(1),
                Duration.ofMinutes(5),
                Duration.ofSeconds(60),
                Duration.ofSeconds(10));
    }

    Tracker(Service service, TrackedFile file, Times times) {
        this.service = service;
        this.file = file;
        this.times = times;
        thread = new Thread(this::loop, "track-" + service.file());
        thread.setDaemon(true);
    }

    synchronized void accept(Point point) {
        if (broken) {
            return;
        }
        try {
            if (!started && anew(point)) {
                file.restart();
                service.anew();
            }
            String line = service.line(point);
            if (line != null) {
                file.append(line);
            }
            start();
            notifyAll();
        } catch (IOException | RuntimeException e) {
            // Half a line may stand there, which only the next process drops.
            broken = true;
            warn("%s can't be written (%s)".formatted(file.path(), e));
        }
    }

    /** What was trained to its end, and begins again, is another run. */
    private boolean anew(Point point) {
        return point.stage() == Stage.Train && point.step() == 0 && file.told().ending() == Ending.Finished;
    }

    private void start() {
        if (!started) {
            started = true;
            thread.start();
        }
    }

    synchronized void ends(Ending how) {
        ending = how;
    }

    private void loop() {
        Duration pause = times.first();
        int failures = 0;
        try {
            while (!over()) {
                try {
                    tell();
                    failures = 0;
                    pause = times.first();
                    rest(times.interval());
                } catch (RefusedException e) {
                    warn("%s; it is not asked again by this process".formatted(why(e)));
                    return;
                } catch (IOException e) {
                    warn(why(e));
                    failures++;
                    if (closing() && failures >= LAST_ATTEMPTS) {
                        return;
                    }
                    rest(closing() ? times.first() : pause);
                    pause = doubled(pause);
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (RuntimeException e) {
            LOG.debug("{} could not be told", service.name(), e);
            warn(e.toString());
        }
    }

    private static String why(IOException failure) {
        String message = failure.getMessage();
        return message == null ? failure.getClass().getSimpleName() : message;
    }

    private Duration doubled(Duration pause) {
        Duration twice = pause.multipliedBy(2);
        return twice.compareTo(times.longest()) > 0 ? times.longest() : twice;
    }

    private void tell() throws IOException, InterruptedException {
        if (!await()) {
            if (begun) {
                service.alive(file.told());
            }
            return;
        }
        if (!begun) {
            file.told(
                    ToldBuilder.builder(service.begin(file.told())).ending(null).build());
            begun = true;
        }
        for (List<String> lines = file.unsent(MOST); !lines.isEmpty(); lines = file.unsent(MOST)) {
            service.send(file.told(), lines);
            file.sent(lines);
        }
        Ending how = how();
        if (how != null) {
            service.end(file.told(), how);
            file.told(ToldBuilder.builder(file.told()).ending(how).build());
        }
    }

    /** Waits for news, or the end; false where there were none for long. */
    private synchronized boolean await() throws InterruptedException {
        long until = System.nanoTime() + times.silence().toNanos();
        while (!file.hasUnsent() && !closing) {
            long left = until - System.nanoTime();
            if (left <= 0) {
                return false;
            }
            TimeUnit.NANOSECONDS.timedWait(this, left);
        }
        return true;
    }

    /** A pause, which the end of the run cuts short. */
    private synchronized void rest(Duration time) throws InterruptedException {
        boolean wasClosing = closing;
        long until = System.nanoTime() + time.toNanos();
        for (long left = time.toNanos(); left > 0 && closing == wasClosing; left = until - System.nanoTime()) {
            TimeUnit.NANOSECONDS.timedWait(this, left);
        }
    }

    /** How the process ended; null while it runs. */
    private synchronized @Nullable Ending how() {
        return closing ? ending : null;
    }

    private synchronized boolean closing() {
        return closing;
    }

    /** Whether all is told, the end too. One that was told stays where this process had nothing to add, and failed. */
    private synchronized boolean over() {
        if (!closing || file.hasUnsent()) {
            return false;
        }
        Ending before = file.told().ending();
        return file.isEmpty() || before == ending || !begun && before != null && ending != Ending.Finished;
    }

    private synchronized void warn(String why) {
        if (!warned) {
            warned = true;
            LOG.warn(
                    "{} {} could not be told of the run, which goes on: {}; what it is to be told is kept in {}",
                    service.name(),
                    service.where(),
                    why,
                    file.path());
        }
    }

    /** Sends what is left, which takes a few seconds at most. */
    @Override
    public void close() {
        synchronized (this) {
            closing = true;
            start();
            notifyAll();
        }
        try {
            thread.join(times.end().toMillis());
            if (thread.isAlive()) {
                warn("it took too long");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        try {
            service.close();
        } catch (IOException e) {
            LOG.debug("{} could not be closed", service.name(), e);
        }
    }
}
