package training.lora.trainer.train.progress;

import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;

/** Where a stage's time goes: one phase at a time is running. */
public final class StageClock {
    /** Of so many turns of others the middle one counts: neither what they load at first nor one that has ended does. */
    private static final int TURNS = 5;

    /** What a stage spends its time on. */
    public enum Phase {
        Load,
        Steps,
        Samples,
        Checkpoints,
        /** Turns of runs beside this one. */
        Neighbours,
        Other
    }

    private final LongSupplier nanos;
    private final Map<Phase, Long> spent = new EnumMap<>(Phase.class);
    private final Deque<Long> turns = new ArrayDeque<>();
    private Phase running = Phase.Other;
    private long since;

    public StageClock(LongSupplier nanos) {
        this.nanos = nanos;
        this.since = nanos.getAsLong();
    }

    /** Ends the running phase and begins {@code phase}. */
    public void enter(Phase phase) {
        long now = nanos.getAsLong();
        spent.merge(running, now - since, Long::sum);
        if (running == Phase.Neighbours) {
            turns.addLast(now - since);
            if (turns.size() > TURNS) {
                turns.removeFirst();
            }
        }
        running = phase;
        since = now;
    }

    /** Seconds spent in {@code phase} so far. */
    public double seconds(Phase phase) {
        long open = phase == running ? nanos.getAsLong() - since : 0;
        return (spent.getOrDefault(phase, 0L) + open) / 1e9;
    }

    /** What a turn of the runs beside this one takes of late, in seconds; 0 where there was none. */
    double turnSeconds() {
        return turns.stream().sorted().skip(turns.size() / 2).findFirst().orElse(0L) / 1e9;
    }

    /** What the stage may spend time on; runs beside this one where there were any. */
    public List<Phase> phases() {
        return Arrays.stream(Phase.values())
                .filter(p -> p != Phase.Neighbours || p == running || spent.containsKey(p))
                .toList();
    }

    /** Share of the time after loading, without that of runs beside this one, that went into steps and samples. */
    public double usefulShare() {
        double useful = seconds(Phase.Steps) + seconds(Phase.Samples);
        double all = useful + seconds(Phase.Checkpoints) + seconds(Phase.Other);
        return all == 0 ? 0 : useful / all;
    }

    /** Seconds by phase, for people. */
    @Override
    public String toString() {
        return phases().stream()
                .map(p -> "%s %.1f s".formatted(p.name().toLowerCase(Locale.ROOT), seconds(p)))
                .collect(Collectors.joining(", "));
    }
}
