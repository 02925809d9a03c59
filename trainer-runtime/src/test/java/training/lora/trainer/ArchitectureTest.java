package training.lora.trainer;

import static com.tngtech.archunit.core.domain.JavaCall.Predicates.target;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.assignableTo;
import static com.tngtech.archunit.core.domain.properties.HasName.Predicates.name;
import static com.tngtech.archunit.core.domain.properties.HasOwner.Predicates.With.owner;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import ai.djl.ndarray.NDManager;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import training.lora.trainer.tensor.ComputeDevice;

@AnalyzeClasses(packages = "training.lora.trainer", importOptions = ImportOption.DoNotIncludeTests.class)
class ArchitectureTest {
    @ArchTest
    static final ArchRule ROOMS_DEPEND_ON_EACH_OTHER_ONE_WAY =
            slices().matching("training.lora.trainer.(*)..").should().beFreeOfCycles();

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
            .resideInAnyPackage("..tensor..", "..model..", "..adapter..", "..diffusion..")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("..train..", "..evaluate..", "..cli..", "..run..", "..prepare..", "..export..");
}
