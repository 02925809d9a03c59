package training.lora.trainer.prepare.words;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.ConceptMode;
import training.lora.trainer.WholeWords;

/**
 * Rewrites captions without a model. The noun of a thing or a face gives its place to the trigger, once and with its
 * article: a photo of a robot becomes a photo of TOK, a red robot a red TOK. Words for a style are left out. What is found
 * nowhere changes nothing.
 */
public final class CleanUpRules {
    private static final int FLAGS = Pattern.CASE_INSENSITIVE | Pattern.UNICODE_CASE;

    private static final String ARTICLE = "(?:(?<![\\p{L}\\p{N}])(?:an?|the) )?";

    private static final String LOOKS =
            "(?:(?<![\\p{L}\\p{N}])(?:young|old|older|elderly|adult|middle-aged|beautiful|handsome|pretty|attractive|little) )*";

    private final Subject subject;
    private final List<String> nouns;
    private final List<Pattern> patterns = new ArrayList<>();

    /** @param captions all that are about the subject */
    public CleanUpRules(Subject subject, List<String> captions) {
        this.subject = subject;
        this.nouns = nouns(subject, captions);
        if (!nouns.isEmpty()) {
            patterns.add(pattern(nouns));
            patterns.add(pattern(nouns.stream().map(Nouns::plural).toList()));
        }
    }

    /** All that they depend on but captions and subject. */
    public static String key() {
        return "rules 1";
    }

    private static List<String> nouns(Subject subject, List<String> captions) {
        if (subject.className() != null) {
            return List.of(subject.className());
        }
        return switch (subject.mode()) {
            case Style -> List.of();
            case Face -> Nouns.PEOPLE;
            case Object -> {
                String noun = Nouns.common(captions);
                yield noun == null ? List.of() : List.of(noun);
            }
        };
    }

    private Pattern pattern(List<String> words) {
        // What a face looks like is what is learned.
        String looks = subject.mode() == ConceptMode.Face ? LOOKS : "";
        return Pattern.compile(ARTICLE + looks + either(words) + "(?: (?<next>[\\p{L}-]+))?", FLAGS);
    }

    private static String either(List<String> words) {
        return words.stream().map(WholeWords::uncompounded).collect(Collectors.joining("|", "(?:", ")"));
    }

    /** What the subject is called in captions; null where they have no word in common for it. */
    public @Nullable String noun() {
        return nouns.size() == 1 ? nouns.get(0) : null;
    }

    /** Whether there is nothing that they could look for. */
    public boolean idle() {
        return nouns.isEmpty();
    }

    /** A caption as it is trained on, without the words that are put before it. */
    public String clean(String caption) {
        if (subject.mode() == ConceptMode.Style) {
            return subject.className() == null ? caption : withoutStyle(caption, subject.className());
        }
        String trigger = subject.trigger();
        return trigger == null || WholeWords.in(caption, trigger) ? caption : named(caption, trigger);
    }

    private String named(String caption, String trigger) {
        // The singular and heads of phrases come first: of a cat toy and a cat, the second is the cat.
        for (Pattern pattern : patterns) {
            Place place = null;
            for (Matcher m = pattern.matcher(caption); m.find(); ) {
                Place found = Place.of(m);
                if (place == null || (found.head() && !place.head())) {
                    place = found;
                }
            }
            if (place != null) {
                return caption.substring(0, place.begin()) + trigger + caption.substring(place.end());
            }
        }
        return caption;
    }

    /**
     * Where a noun stands.
     *
     * @param head whether it is not before the noun that it describes, as far as can be told
     */
    private record Place(int begin, int end, boolean head) {
        static Place of(Matcher m) {
            String next = m.group("next");
            return next == null
                    ? new Place(m.start(), m.end(), true)
                    : new Place(m.start(), m.start("next") - 1, Nouns.endsPhrase(next));
        }
    }

    private static String withoutStyle(String caption, String style) {
        String either = either(List.of(style, Nouns.plural(style)));
        String text = caption;
        for (String phrase : List.of(
                ARTICLE + either + "(?: style)? (?:of|showing|depicting) ",
                ",? ?(?:(?:in|as|with) )?(?:(?:the|an?) )?style of " + ARTICLE + either,
                ",? ?(?:in|as) " + ARTICLE + either + "(?: style)?(?![\\p{L}\\p{N}])",
                "(?:^|(?<=, ))" + ARTICLE + either + "(?: style)?(?=,|\\.?$)")) {
            text = Pattern.compile(phrase, FLAGS).matcher(text).replaceAll("");
        }
        String tidy = Stream.of(text.split(","))
                .map(String::strip)
                .filter(part -> !part.isEmpty())
                .collect(Collectors.joining(", "));
        return tidy.isEmpty() ? caption : Objects.equals(text, caption) ? caption : tidy;
    }
}
