package training.lora.trainer.prepare.report;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import training.lora.api.MaskSource;
import training.lora.trainer.Names;
import training.lora.trainer.prepare.report.DataReport.ReportedPicture;

/** What a maker would act on. */
final class Warnings {
    private static final int NAMED = 5;
    private static final double MUCH_ENLARGED = 1.25;
    private static final double MUCH_LOST = 0.3;

    /** Of photographs; drawings of few edges have less, and are told of only if they are flat besides. */
    private static final double BLURRED = 30;

    private static final double DARK = 0.15;
    private static final double BRIGHT = 0.92;
    private static final double MUCH_BLACK = 0.6;

    private final List<ReportedPicture> pictures;
    private final int longest;
    private final MaskSource masks;
    private final List<String> warnings = new ArrayList<>();

    /**
     * @param longest how many tokens of a caption are read
     * @param masks where masks come from
     */
    Warnings(List<ReportedPicture> pictures, int longest, MaskSource masks) {
        this.pictures = pictures;
        this.longest = longest;
        this.masks = masks;
    }

    List<String> all(List<List<String>> alike) {
        tell(
                p -> p.scale() > MUCH_ENLARGED,
                "are smaller than what is trained on and were enlarged, which teaches blur; replace them, or lower `preparation.resolution`");
        tell(
                p -> p.lost() > MUCH_LOST,
                "lose more than %.0f %% of their area to the crop; crop them by hand, or look at `preparation`'s other ways of sizing"
                        .formatted(100 * MUCH_LOST));
        if (!alike.isEmpty()) {
            warnings.add("%s alike, and %s more than others; keep one of each group: %s"
                    .formatted(
                            alike.size() == 1 ? "A group of pictures looks" : alike.size() + " groups of pictures look",
                            alike.size() == 1 ? "counts" : "count",
                            alike.stream()
                                            .limit(NAMED)
                                            .map(group -> Names.some(group, NAMED))
                                            .collect(Collectors.joining("; "))
                                    + (alike.size() > NAMED ? "; …" : "")));
        }
        tell(p -> p.measures().sharpness() < BLURRED, "look blurred; replace them unless that is meant");
        tell(p -> p.measures().brightness() < DARK || p.measures().dark() > MUCH_BLACK, "are very dark");
        tell(p -> p.measures().brightness() > BRIGHT, "are very bright, or mostly white");
        tell(p -> p.caption().isBlank(), "have an empty caption; say what they show");
        tell(
                p -> p.tokens() > longest,
                "have a caption of more than %d tokens, whose end is not read; shorten it or raise `training.captions.maxTokens`"
                        .formatted(longest));
        sameCaptions();
        tell(p -> p.masks() && covered(p) < 0.02, "have a mask that leaves less than 2 % of them");
        String nothing =
                switch (masks) {
                    case Segment ->
                        "name what is looked for in `preparation.mask.prompts`, or try its `scoring`, `temperature` and `bias`";
                    case Face -> "replace them, or leave them out";
                    // Whoever gives masks or transparency means what they leave.
                    case None, Files, Alpha -> null;
                };
        if (nothing != null) {
            tell(
                    p -> p.masks() && covered(p) > 0.98,
                    "have a mask that leaves all of them, as without one: nothing was found, or too little of it to stand out; "
                            + nothing);
        }
        return warnings;
    }

    private static double covered(ReportedPicture picture) {
        return Objects.requireNonNull(picture.masked());
    }

    private void sameCaptions() {
        pictures.stream()
                .filter(p -> !p.caption().isBlank())
                .collect(Collectors.groupingBy(ReportedPicture::caption))
                .entrySet()
                .stream()
                .filter(e -> e.getValue().size() > 2 && 2 * e.getValue().size() > pictures.size())
                .forEach(e -> warnings.add("%d of %d pictures have the same caption, \"%s\"; say how they differ"
                        .formatted(e.getValue().size(), pictures.size(), e.getKey())));
    }

    private void tell(Predicate<ReportedPicture> which, String what) {
        List<String> names = pictures.stream()
                .filter(which)
                .map(ReportedPicture::name)
                .distinct()
                .toList();
        if (!names.isEmpty()) {
            long all = pictures.stream().map(ReportedPicture::name).distinct().count();
            warnings.add("%d of %d pictures %s: %s".formatted(names.size(), all, what, Names.some(names, NAMED)));
        }
    }
}
