package training.lora.trainer.dataset;

import java.util.ArrayDeque;
import java.util.Comparator;
import java.util.Deque;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Captions one of which is drawn each time, with {@code {a|b}} for a or b; {@code {{} and {@code }}} are braces. */
public final class Wildcards {
    /** A choice; choices within others are none. */
    private static final Pattern CHOICE = Pattern.compile("\\{([^{}]*)\\}");

    private static final Pattern ALTERNATIVES = Pattern.compile("\\{[^{}|]*\\|[^{}]*\\}");

    /** Stand for braces that are text, in what people can't type: private use. */
    private static final char OPEN = '\uE000';

    private static final char CLOSE = '\uE001';

    /** What is said where braces have no others; {@link #unpaired} goes on. */
    public static final String PAIRED = "must pair the braces of its choices ({{ and }} are braces), but ";

    private Wildcards() {}

    /** What is wrong with the braces of a line, of which all would be trained on as it stands there; null if nothing. */
    public static @Nullable String unpaired(String line) {
        Deque<Integer> open = new ArrayDeque<>();
        String marked = marked(line);
        for (int i = 0; i < marked.length(); i++) {
            char c = marked.charAt(i);
            if (c == '{') {
                open.push(i + 1);
            } else if (c == '}' && open.poll() == null) {
                return "the } at character %d closes nothing".formatted(i + 1);
            }
        }
        return open.isEmpty() ? null : "the { at character %d is not closed".formatted(open.getLast());
    }

    /** Whether a text that is none of these looks like one. */
    public static boolean looksLikeOne(String text) {
        return ALTERNATIVES.matcher(text).find();
    }

    /** The first line, with the first of each choice: what stands for a picture where nothing is drawn. */
    public static String first(List<String> lines) {
        return resolved(lines.get(0), options -> options[0]);
    }

    /** Each of {@code lines} with the longest of each choice. */
    public static List<String> longest(List<String> lines) {
        return lines.stream()
                .map(line -> resolved(line, options -> Stream.of(options)
                        .max(Comparator.comparingInt(String::length))
                        .orElseThrow()))
                .toList();
    }

    /** A line that stands for {@code text} as it is. */
    public static String escaped(String text) {
        return text.replace("{", "{{").replace("}", "}}");
    }

    /** One of {@code lines}, with one of each choice. */
    public static String draw(List<String> lines, SplittableRandom random) {
        String line = lines.size() == 1 ? lines.get(0) : lines.get(random.nextInt(lines.size()));
        return resolved(line, options -> options[random.nextInt(options.length)]);
    }

    /** Whether there is anything to draw. */
    public static boolean vary(List<String> lines) {
        return lines.size() > 1
                || lines.stream().anyMatch(line -> CHOICE.matcher(hidden(line)).find());
    }

    private static String hidden(String line) {
        return marked(line).replace("" + OPEN + OPEN, "" + OPEN).replace("" + CLOSE + CLOSE, "" + CLOSE);
    }

    /**
     * With both characters of each doubled brace replaced. Pairs are taken from the left, but for the last of a choice within
     * doubled braces: of {@code {{{a|b}}}} it is the first of the three that closes the choice.
     */
    private static String marked(String line) {
        StringBuilder text = new StringBuilder(line);
        Deque<Character> open = new ArrayDeque<>();
        for (int i = 0; i < line.length(); i++) {
            char c = line.charAt(i);
            if (c != '{' && c != '}') {
                continue;
            }
            boolean opens = c == '{';
            int equal = equal(line, i);
            boolean innermost = !opens && equal % 2 == 1 && open.contains(OPEN) && open.element() == '{';
            if (equal > 1 && !innermost) {
                char mark = opens ? OPEN : CLOSE;
                text.setCharAt(i, mark);
                i++;
                text.setCharAt(i, mark);
                if (opens) {
                    open.push(OPEN);
                } else if (!open.isEmpty() && open.element() == OPEN) {
                    open.pop();
                }
            } else if (opens) {
                open.push(c);
            } else {
                open.removeFirstOccurrence('{');
            }
        }
        return text.toString();
    }

    /** How many of one character stand there. */
    private static int equal(String line, int from) {
        int end = from;
        while (end < line.length() && line.charAt(end) == line.charAt(from)) {
            end++;
        }
        return end - from;
    }

    private static String resolved(String line, Function<String[], String> choice) {
        String text = hidden(line);
        for (Matcher m = CHOICE.matcher(text); m.find(); m = CHOICE.matcher(text)) {
            String[] options = m.group(1).split("\\|", -1);
            text = text.substring(0, m.start()) + choice.apply(options) + text.substring(m.end());
        }
        return text.replace(OPEN, '{').replace(CLOSE, '}').strip().replaceAll("\\s+", " ");
    }
}
