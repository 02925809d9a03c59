package training.lora.operator.plan;

import java.util.Comparator;
import java.util.Locale;

/** A Secret or a service account that a spec names. */
public record Reference(Kind kind, String name) implements Comparable<Reference> {
    private static final Comparator<Reference> ORDER =
            Comparator.comparing(Reference::kind).thenComparing(Reference::name);

    /** What may be named. */
    public enum Kind {
        Secret,
        ServiceAccount;

        /** As URLs and roles have it. */
        public String plural() {
            return name().toLowerCase(Locale.ROOT) + "s";
        }

        /** As people say it. */
        String words() {
            return this == Secret ? "Secret" : "service account";
        }
    }

    @Override
    public int compareTo(Reference other) {
        return ORDER.compare(this, other);
    }

    @Override
    public String toString() {
        return kind.words() + " " + name;
    }
}
