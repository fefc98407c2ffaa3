# cmake --install: bin/lockstep, the headers, the libraries, and the CMake package for find_package(lockstep).
include(CMakePackageConfigHelpers)
set(LOCKSTEP_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/lockstep)

set(LOCKSTEP_INSTALLED_TARGETS lockstep_options)
foreach(floor IN LISTS LOCKSTEP_FLOORS)
  list(APPEND LOCKSTEP_INSTALLED_TARGETS lockstep_${floor})
  install(DIRECTORY include/lockstep/${floor} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/lockstep OPTIONAL)
endforeach()
if(TARGET lockstep)
  set_target_properties(lockstep PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
  install(TARGETS lockstep RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(DIRECTORY src/report/ DESTINATION ${CMAKE_INSTALL_DATADIR}/lockstep PATTERN __pycache__ EXCLUDE)
endif()
install(TARGETS ${LOCKSTEP_INSTALLED_TARGETS} EXPORT lockstepTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT lockstepTargets NAMESPACE lockstep:: DESTINATION ${LOCKSTEP_CMAKE_DIR})

configure_package_config_file(src/lockstepConfig.cmake.in ${PROJECT_BINARY_DIR}/lockstepConfig.cmake
  INSTALL_DESTINATION ${LOCKSTEP_CMAKE_DIR} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/lockstepConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/lockstepConfig.cmake ${PROJECT_BINARY_DIR}/lockstepConfigVersion.cmake
  DESTINATION ${LOCKSTEP_CMAKE_DIR})
