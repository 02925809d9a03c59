package training.lora.trainer;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaCall.Predicates.target;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.assignableTo;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.equivalentTo;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.properties.HasName.Predicates.name;
import static com.tngtech.archunit.core.domain.properties.HasOwner.Predicates.With.owner;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDManager;
import com.tngtech.archunit.core.domain.Dependency;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.library.dependencies.SliceAssignment;
import com.tngtech.archunit.library.dependencies.SliceIdentifier;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import training.lora.trainer.tensor.ComputeDevice;

@AnalyzeClasses(packages = "training.lora.trainer", importOptions = ImportOption.DoNotIncludeTests.class)
class ArchitectureTest {
    private static final String ROOT = "training.lora.trainer.";

    private static final SliceAssignment BY_PACKAGE = new SliceAssignment() {
        @Override
        public SliceIdentifier getIdentifierOf(JavaClass javaClass) {
            return SliceIdentifier.of(javaClass.getPackageName());
        }

        @Override
        public String getDescription() {
            return "packages";
        }
    };

    @ArchTest
    static final ArchRule ROOMS_DEPEND_ON_EACH_OTHER_ONE_WAY =
            slices().matching("training.lora.trainer.(*)..").should().beFreeOfCycles();

    @ArchTest
    static final ArchRule PACKAGES_DEPEND_ON_EACH_OTHER_ONE_WAY =
            slices().assignedFrom(BY_PACKAGE).should().beFreeOfCycles();

    @ArchTest
    static final ArchRule THE_TRAINER_KNOWS_NO_KUBERNETES =
            noClasses().should().dependOnClassesThat().resideInAPackage("io.fabric8.kubernetes..");

    @ArchTest
    static final ArchRule NATIVE_MEMORY_HAS_ITS_ROOT_ON_A_CHOSEN_DEVICE = noClasses()
            .that()
            .doNotBelongToAnyOf(ComputeDevice.class)
            .should()
            .callMethodWhere(target(owner(assignableTo(NDManager.class))).and(target(name("newBaseManager"))));

    @ArchTest
    static final ArchRule NETWORKS_KNOW_NOTHING_OF_TRAINING = noClasses()
            .that()
            .resideInAnyPackage(
                    "..trainer.tensor..", "..trainer.model..", "..trainer.adapter..", "..trainer.diffusion..")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage(
                    "..trainer.dataset..",
                    "..trainer.order..",
                    "..trainer.trained..",
                    "..trainer.train..",
                    "..trainer.evaluate..",
                    "..trainer.cli..",
                    "..trainer.run..",
                    "..trainer.prepare..",
                    "..trainer.export..");

    /** What one leaves for another lies in folders, which {@code dataset} and {@code trained} read. */
    @ArchTest
    static final ArchRule STAGES_DO_NOT_KNOW_EACH_OTHER = slices().matching(
                    "training.lora.trainer.(prepare|train|evaluate|track)..")
            .should()
            .notDependOnEachOther();

    @ArchTest
    static final ArchRule ONLY_THE_COMMAND_LINE_KNOWS_THE_STAGES = noClasses()
            .that()
            .resideOutsideOfPackages(
                    "..trainer.cli..",
                    "..trainer.prepare..",
                    "..trainer.train..",
                    "..trainer.evaluate..",
                    "..trainer.track..")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage(
                    "..trainer.cli..",
                    "..trainer.prepare..",
                    "..trainer.train..",
                    "..trainer.evaluate..",
                    "..trainer.track..");

    @ArchTest
    static final ArchRule CONFIGURATIONS_OF_OTHERS_ARE_READ_BY_THE_API_AND_FILES_ALONE = noClasses()
            .that()
            .resideInAPackage("..trainer.convert..")
            .should()
            .dependOnClassesThat(resideInAPackage("training.lora.trainer..")
                    .and(not(resideInAPackage("training.lora.trainer.convert..")))
                    .and(not(resideInAPackage("training.lora.trainer.files..")))
                    .and(not(equivalentTo(WholeWords.class)))
                    .and(not(equivalentTo(TrainerException.class))));

    @ArchTest
    static void packagesOfModelUseEachOtherAsDesigned(JavaClasses classes) {
        requireArrows(
                classes,
                "model",
                Map.of(
                        "model",
                        Set.of("model.basemodel", "model.layer", "model.text", "model.unet", "model.weights"),
                        "model.basemodel",
                        Set.of("model.text", "model.unet", "model.weights"),
                        "model.blip",
                        Set.of("model.weights"),
                        "model.layer",
                        Set.of("model.layer.kernel", "model.weights"),
                        "model.layer.kernel",
                        Set.of(),
                        "model.text",
                        Set.of("model.layer", "model.layer.kernel", "model.weights"),
                        "model.unet",
                        Set.of("model.layer", "model.layer.kernel", "model.text", "model.weights"),
                        "model.weights",
                        Set.of()));
    }

    @ArchTest
    static void packagesOfTrainUseEachOtherAsDesigned(JavaClasses classes) {
        requireArrows(
                classes,
                "train",
                Map.of(
                        "train",
                        Set.of("train.batch", "train.objective", "train.optimizer", "train.progress"),
                        "train.batch",
                        Set.of(),
                        "train.objective",
                        Set.of("train.batch"),
                        "train.optimizer",
                        Set.of(),
                        "train.progress",
                        Set.of("train.optimizer")));
    }

    /**
     * Sees to it that what packages of a room use of each other is what stands here, no more and no less.
     *
     * @param designed the packages that each of the room's may use
     */
    private static void requireArrows(JavaClasses classes, String room, Map<String, Set<String>> designed) {
        // Of each arrow one dependency, to tell where it is.
        Map<String, Map<String, String>> arrows = new TreeMap<>();
        for (JavaClass from : classes) {
            if (in(room, from)) {
                Map<String, String> uses = arrows.computeIfAbsent(shortName(from), any -> new TreeMap<>());
                for (Dependency dependency : from.getDirectDependenciesFromSelf()) {
                    JavaClass to = dependency.getTargetClass();
                    if (in(room, to) && !to.getPackageName().equals(from.getPackageName())) {
                        uses.putIfAbsent(shortName(to), dependency.getDescription());
                    }
                }
            }
        }
        assertThat(arrows.keySet()).as("packages of %s", room).isEqualTo(designed.keySet());
        arrows.forEach((from, uses) ->
                assertThat(uses.keySet()).as("what %s uses: %s", from, uses).isEqualTo(designed.get(from)));
    }

    private static boolean in(String room, JavaClass javaClass) {
        return (javaClass.getPackageName() + ".").startsWith(ROOT + room + ".");
    }

    private static String shortName(JavaClass javaClass) {
        return javaClass.getPackageName().substring(ROOT.length());
    }
}
