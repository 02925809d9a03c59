package training.lora.trainer.report;

import java.io.PrintStream;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Predicate;
import training.lora.api.Metric;
import training.lora.api.ProgressMessage;
import training.lora.trainer.Amounts;

/**
 * One line a message: rewritten in place on a terminal, else a plain line every few seconds. A terminal's line has no losses
 * beside the prediction's, and is cut to its width, for what wrapped would stay.
 */
public final class Console implements Consumer<ProgressMessage> {
    private static final long PLAIN_INTERVAL_NANOS = 5_000_000_000L;

    /** Leaves eighty columns room for steps, loss, time left and checkpoint. */
    private static final int BAR = 12;

    /** Of a download, see FetchProgress. */
    private static final String FETCHED = "fetchedBytes";

    private static final String LOSS = "loss";

    private static final String CLEAR_ROW = "\r\u001b[K";

    private static final String WRAP_OFF = "\u001b[?7l";

    private static final String WRAP_ON = "\u001b[?7h";

    private final PrintStream out;
    private final boolean terminal;
    private long last = Long.MIN_VALUE / 2;

    public Console(PrintStream out, boolean terminal) {
        this.out = out;
        this.terminal = terminal;
    }

    @Override
    public synchronized void accept(ProgressMessage m) {
        boolean ends = m.step().equals(m.steps());
        if (terminal) {
            out.print(CLEAR_ROW + WRAP_OFF + bar(m) + line(m, main(m.metrics())) + WRAP_ON + (ends ? "\n" : ""));
            out.flush();
        } else if (ends || m.checkpoint() != null || System.nanoTime() - last > PLAIN_INTERVAL_NANOS) {
            last = System.nanoTime();
            out.println(line(m, m.metrics()));
        }
    }

    private static String bar(ProgressMessage m) {
        int filled = m.steps() == 0 ? 0 : BAR * m.step() / m.steps();
        return "[" + "#".repeat(filled) + "-".repeat(BAR - filled) + "] ";
    }

    /** Those that aren't losses beside the prediction's, which alone have points in their names. */
    private static List<Metric> main(List<Metric> metrics) {
        return metrics.stream().filter(metric -> metric.name().indexOf('.') < 0).toList();
    }

    /** What matters most stands first: what is behind a terminal's width is cut off. */
    private static String line(ProgressMessage m, List<Metric> shown) {
        String left = m.estimatedRemainingSeconds() == null ? "" : "  " + m.estimatedRemainingSeconds() + " s left";
        if (!shown.isEmpty() && shown.get(0).name().equals(FETCHED)) {
            String of = m.metrics().size() > 1 ? " of " + amount(m.metrics().get(1)) : "";
            return "%s: %s%s fetched%s".formatted(m.stage(), amount(m.metrics().get(0)), of, left);
        }
        String what =
                m.checkpoint() == null ? "" : "  checkpoint " + m.checkpoint().step() + scores(m);
        String first = line(shown, metric -> metric.name().equals(LOSS));
        String rest = line(shown, metric -> !metric.name().equals(LOSS));
        return "%s %d/%d%s%s%s%s".formatted(m.stage(), m.step(), m.steps(), first, left, what, rest);
    }

    /** Those that are {@code among}, behind what stands before them. */
    private static String line(List<Metric> metrics, Predicate<Metric> among) {
        List<Metric> shown = metrics.stream().filter(among).toList();
        return shown.isEmpty() ? "" : "  " + Metric.line(shown, "  ");
    }

    private static String amount(Metric bytes) {
        return Amounts.bytes((long) bytes.number());
    }

    private static String scores(ProgressMessage m) {
        Metric score = m.checkpoint() == null ? null : m.checkpoint().metric("score");
        return score == null ? "" : " score " + score.value();
    }
}
