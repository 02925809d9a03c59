package training.lora.trainer.adapter;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.model.layer.Projection;

/**
 * What a spec calls some projections.
 *
 * @param field where it stands in the spec
 * @param text the name of a group, or a pattern over paths in which {@code *} stands for anything
 */
record Target(String field, String text) {
    /** Near names that a message lists. */
    private static final int NEAR = 3;

    /**
     * Those of {@code all} that are meant.
     *
     * @throws TrainerException InvalidConfiguration if there is none, with names that are near
     */
    List<Projection> matches(List<Projection> all) {
        Pattern pattern = Pattern.compile(Pattern.quote(text).replace("*", "\\E.*\\Q"));
        List<Projection> found = all.stream()
                .filter(p -> p.group().name().equals(text)
                        || pattern.matcher(p.path()).matches())
                .toList();
        if (found.isEmpty()) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`%s` must be a group or match an adaptable module's path, but nothing matches \"%s\"; near are %s"
                            .formatted(field, text, near(all)));
        }
        return found;
    }

    /** Groups and ends of paths, the nearest by edits first. */
    private String near(List<Projection> all) {
        String wanted = text.substring(text.lastIndexOf('*') + 1);
        int parts = (int) wanted.chars().filter(c -> c == '.').count() + (wanted.startsWith(".") ? 0 : 1);
        Stream<String> groups = all.stream().map(p -> p.group().name());
        Stream<String> ends = all.stream().map(p -> "*." + end(p.path(), parts));
        return Stream.concat(groups, ends)
                .distinct()
                .sorted(Comparator.comparingInt(name ->
                        edits(wanted.replaceFirst("^\\.", ""), name.startsWith("*.") ? name.substring(2) : name)))
                .limit(NEAR)
                .collect(Collectors.joining(", "));
    }

    private static String end(String path, int parts) {
        String[] names = path.split("\\.");
        return String.join(".", Arrays.copyOfRange(names, Math.max(0, names.length - parts), names.length));
    }

    /** Edit distance of Levenshtein 1966. */
    private static int edits(String a, String b) {
        int[] row = new int[b.length() + 1];
        Arrays.setAll(row, i -> i);
        for (int i = 1; i <= a.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.length(); j++) {
                int replaced = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(replaced, 1 + Math.min(row[j], row[j - 1]));
            }
        }
        return row[b.length()];
    }
}
