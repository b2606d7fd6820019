# Included at the top of every CMake project of the workspace when ROS 2 comes from Python wheels.
#
# The wheels' exported `*__rosidl_generator_py` targets remember the Python and NumPy include folders of the
# machine that built them, and CMake refuses folders that do not exist. Once the project has been read, the
# folders of this machine are put in their place. A ROS 2 from apt does not need this file.
cmake_minimum_required(VERSION 3.19)

function(_kine_repair_generator_includes)
  execute_process(
    COMMAND "${Python3_EXECUTABLE}" -c
            "import sysconfig, numpy; print(sysconfig.get_path('include') + ';' + numpy.get_include(), end='')"
    OUTPUT_VARIABLE _include_folders
    RESULT_VARIABLE _failed)
  if(_failed)
    message(FATAL_ERROR "Cannot ask ${Python3_EXECUTABLE} for its include folders")
  endif()
  get_property(_imported DIRECTORY "${CMAKE_SOURCE_DIR}" PROPERTY IMPORTED_TARGETS)
  foreach(_target IN LISTS _imported)
    if(_target MATCHES "__rosidl_generator_py$")
      set_target_properties("${_target}" PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${_include_folders}")
    endif()
  endforeach()
endfunction()

cmake_language(DEFER DIRECTORY "${CMAKE_SOURCE_DIR}" CALL _kine_repair_generator_includes)
